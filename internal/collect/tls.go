package collect

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// TLSFiles are the files, in PEM, of a listener that speaks TLS.
type TLSFiles struct {
	Cert, Key string

	// ClientCA has the certificates of which one must have signed a client's, or one between; "": clients need none.
	ClientCA string
}

// Config is for a server. The files are read now, and again when they have changed, so that a certificate can be replaced while the
// server runs; if what is there then cannot be used, the last that could stays in use, and logger hears of it.
func (f TLSFiles) Config(logger *slog.Logger) (*tls.Config, error) {
	r := &reloader{files: f, logger: logger, checked: time.Now(), seen: f.stamp()}
	var err error
	if r.current, err = f.load(); err != nil {
		return nil, err
	}
	return &tls.Config{GetConfigForClient: r.config, MinVersion: tls.VersionTLS12}, nil
}

func (f TLSFiles) load() (*tls.Config, error) {
	if f.Cert == "" || f.Key == "" {
		return nil, errors.New("TLS: a certificate and its key are both needed")
	}
	cert, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return nil, fmt.Errorf("TLS: certificate %s, key %s: %w", f.Cert, f.Key, err)
	}
	cfg := &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2", "http/1.1"}, MinVersion: tls.VersionTLS12}
	if f.ClientCA == "" {
		return cfg, nil
	}
	pem, err := os.ReadFile(f.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("TLS: certificates that sign clients': %w", err)
	}
	cfg.ClientCAs, cfg.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !cfg.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("TLS: %s has no certificate in PEM", f.ClientCA)
	}
	return cfg, nil
}

// stamp tells one state of the files from another.
func (f TLSFiles) stamp() (s [3]fileStamp) {
	for i, name := range [...]string{f.Cert, f.Key, f.ClientCA} {
		if info, err := os.Stat(name); err == nil { // of one that is not there: zeros
			s[i] = fileStamp{info.ModTime().UnixNano(), info.Size()}
		}
	}
	return s
}

type fileStamp struct{ modified, size int64 }

// checkFilesEvery is how long a certificate that has changed may still be shown.
const checkFilesEvery = time.Second

// reloader has the configuration of the moment.
type reloader struct {
	files  TLSFiles
	logger *slog.Logger

	mu      sync.Mutex
	current *tls.Config
	seen    [3]fileStamp
	checked time.Time
}

// config is the configuration for a connection that begins.
func (r *reloader) config(*tls.ClientHelloInfo) (*tls.Config, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if now.Sub(r.checked) < checkFilesEvery {
		return r.current, nil
	}
	r.checked = now
	stamp := r.files.stamp()
	if stamp == r.seen {
		return r.current, nil
	}
	r.seen = stamp
	cfg, err := r.files.load()
	if err != nil {
		r.logger.Error("the changed certificate cannot be used; the last one stays", "err", err)
		return r.current, nil
	}
	r.logger.Info("certificate read again", "file", r.files.Cert)
	r.current = cfg
	return cfg, nil
}
