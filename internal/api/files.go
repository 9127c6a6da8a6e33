package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// files serves the UI: a file that is there, and index.html for every other address, since the UI's
// addresses are resolved in the browser.
type files struct {
	root  fs.FS
	known sync.Map // path to *file
}

type file struct {
	body, zipped []byte // zipped is nil where it would not be smaller
	etag         string
	mediaType    string
	immutable    bool
}

func newFiles(root fs.FS) *files { return &files{root: root} }

// hashed matches the names that the build gives to files whose name changes with their content.
var hashed = regexp.MustCompile(`^assets/.*-[A-Za-z0-9_-]{8}\.[a-z0-9.]+$`)

func (f *files) serve(w http.ResponseWriter, r *http.Request) {
	if f.root == nil {
		writeText(w, http.StatusNotFound, "this server has no web UI; the API is at "+Prefix+"\n")
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	it := f.load(name)
	if it == nil {
		// A missing script must not turn into a page: the browser would only say that it is no script.
		if strings.HasPrefix(name, "assets/") {
			writeText(w, http.StatusNotFound, "no such file\n")
			return
		}
		if it = f.load("index.html"); it == nil {
			writeText(w, http.StatusNotFound, "the web UI was not built into this server; the API is at "+Prefix+"\n")
			return
		}
	}
	h := w.Header()
	h.Set("Content-Type", it.mediaType)
	h.Add("Vary", "Accept-Encoding")
	if it.immutable {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		h.Set("Cache-Control", "no-cache")
	}
	body, etag := it.body, `"`+it.etag+`"`
	if it.zipped != nil && acceptsGzip(r) {
		body, etag = it.zipped, `"`+it.etag+`-gz"`
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", etag)
	if matches(r.Header.Get("If-None-Match"), etag) {
		h.Del("Content-Type")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // an error here is the client's going away
	}
}

// matches says whether an If-None-Match header names the tag (weak comparison, RFC 9110, section 8.8.3.2).
func matches(header, etag string) bool {
	for tag := range strings.SplitSeq(header, ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || strings.TrimPrefix(tag, "W/") == etag {
			return true
		}
	}
	return false
}

// load reads a file once; nil if there is none. Only what exists is remembered.
func (f *files) load(name string) *file {
	if !fs.ValidPath(name) || name == "." {
		return nil
	}
	if it, ok := f.known.Load(name); ok {
		it, _ := it.(*file)
		return it
	}
	body, err := fs.ReadFile(f.root, name) // a directory cannot be read either
	if err != nil {
		return nil
	}
	sum := sha256.Sum256(body)
	it := &file{body: body, etag: hex.EncodeToString(sum[:12]), mediaType: mediaType(name, body), immutable: hashed.MatchString(name)}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, err = z.Write(body)
	if err == nil {
		err = z.Close()
	}
	if err == nil && zipped.Len() < len(body)*9/10 {
		it.zipped = zipped.Bytes()
	}
	f.known.Store(name, it)
	return it
}

// mediaType does not ask the machine, whose tables differ, for what a UI is made of.
func mediaType(name string, body []byte) string {
	switch ext := path.Ext(name); ext {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".json", ".map":
		return "application/json"
	case ".svg":
		return "image/svg+xml"
	case ".ico":
		return "image/x-icon"
	case ".webmanifest":
		return "application/manifest+json"
	default:
		if t := mime.TypeByExtension(ext); t != "" {
			return t
		}
		return http.DetectContentType(body)
	}
}
