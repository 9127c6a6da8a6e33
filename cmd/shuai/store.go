package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/fuwu-project/fuwu/internal/quantity"
	"github.com/fuwu-project/fuwu/internal/store/local"
	"github.com/fuwu-project/fuwu/internal/wire"
)

// StoreCmd looks after a data directory.
type StoreCmd struct {
	Check StoreCheckCmd `cmd:"" help:"Read every file of a data directory whole and name what is damaged."`
	Stats StoreStatsCmd `cmd:"" help:"Say how much a data directory holds, of what and from when."`
}

// StoreCheckCmd reads every file of a data directory.
type StoreCheckCmd struct {
	Dir string `arg:"" type:"path" help:"The data directory, as of serve --data."`
}

// Help is the long text of store check --help.
func (*StoreCheckCmd) Help() string {
	return `Checks every frame of the logs and every page of the segments by its checksum, then decodes every value and looks whether
they fit together. Prints a line for each file, below it the damages with the offset of the first byte that cannot be trusted,
and ends with status 1 if there are any. It changes nothing and may run beside the server.

A damaged segment is set aside (renamed to *.bad) when the server meets the damage; its other spans can still be read with any
Parquet tool. Files that were set aside count as damaged until you delete or move them.`
}

// Run checks and prints.
func (cmd *StoreCheckCmd) Run(ctx context.Context, io streams) error {
	files, spans, bytes, damaged := 0, 0, int64(0), 0
	for f, err := range local.Check(ctx, local.Options{Dir: cmd.Dir, Decode: wire.Replay}) {
		if err != nil {
			return err
		}
		files, spans, bytes = files+1, spans+f.Spans, bytes+f.Bytes
		if len(f.Damages) > 0 {
			damaged++
		}
		if err := printFile(io.out, f); err != nil {
			return err
		}
	}
	verdict := "nothing is damaged"
	if damaged > 0 {
		verdict = strconv.Itoa(damaged) + " damaged"
	}
	if _, err := fmt.Fprintf(io.out, "%s, %s, %s: %s\n", count(files, "file"), count(spans, "span"), byteSize(bytes), verdict); err != nil {
		return err
	}
	if damaged > 0 {
		return fmt.Errorf("%s: %d of %s damaged", cmd.Dir, damaged, count(files, "file"))
	}
	return nil
}

// maxDamages is how many damages of a file are shown.
const maxDamages = 10

func printFile(w io.Writer, f local.FileReport) error {
	var b strings.Builder
	p, state := colours(w), "ok"
	if len(f.Damages) > 0 {
		state = "damaged"
	}
	line := fmt.Sprintf("%-18s  %-7s  %9s", plain(f.Name), state, byteSize(f.Bytes))
	if f.Spans > 0 {
		line += "  " + count(f.Spans, "span")
	}
	if f.Batches == 1 {
		line += " in 1 batch"
	} else if f.Batches > 1 {
		line += " in " + strconv.Itoa(f.Batches) + " batches"
	}
	if f.Note != "" {
		line += "  (" + f.Note + ")"
	}
	if len(f.Damages) > 0 {
		line = p.red(line)
	}
	b.WriteString(line + "\n")
	for i, d := range f.Damages {
		if i == maxDamages {
			fmt.Fprintf(&b, "  … and %d more\n", len(f.Damages)-i)
			break
		}
		if d.Offset >= 0 {
			fmt.Fprintf(&b, "  at byte %d: %s\n", d.Offset, plain(d.Reason))
		} else {
			fmt.Fprintf(&b, "  %s\n", plain(d.Reason))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// StoreStatsCmd takes the inventory of a data directory.
type StoreStatsCmd struct {
	Dir    string `arg:"" type:"path" help:"The data directory, as of serve --data."`
	Limit  int    `short:"n" default:"10" placeholder:"N" help:"Show at most so many services and columns. (${default})"`
	Output string `short:"o" default:"table" enum:"table,json" help:"What to print: table or json. (${default})"`
}

// Help is the long text of store stats --help.
func (*StoreStatsCmd) Help() string {
	return `Reads the logs and the footers of the segments; it changes nothing and may run beside the server. Columns are shown with the
bytes that they take in segments, compressed: attr.KEY is the attribute KEY of spans, so this is where to see what an
attribute costs.`
}

// Run inspects and prints.
func (cmd *StoreStatsCmd) Run(ctx context.Context, io streams) error {
	inv, err := local.Inspect(ctx, local.Options{Dir: cmd.Dir, Decode: wire.Replay})
	if err != nil {
		return err
	}
	if cmd.Output == "json" {
		return cmd.json(io.out, inv)
	}
	return cmd.table(io.out, inv)
}

func (cmd *StoreStatsCmd) json(w io.Writer, inv local.Inventory) error {
	type service struct {
		Name  string `json:"name"`
		Spans int64  `json:"spans"`
	}
	type column struct {
		Name  string `json:"name"`
		Bytes int64  `json:"bytes"`
	}
	answer := struct {
		Segments     int       `json:"segments"`
		SegmentSpans int64     `json:"segmentSpans"`
		SegmentBytes int64     `json:"segmentBytes"`
		Logs         int       `json:"logs"`
		LogSpans     int64     `json:"logSpans"`
		LogBytes     int64     `json:"logBytes"`
		Oldest       int64     `json:"oldest,string"`
		Newest       int64     `json:"newest,string"`
		SetAside     []string  `json:"setAside"`
		Services     []service `json:"services"`
		Columns      []column  `json:"columns"`
	}{
		Segments: inv.Segments, SegmentSpans: inv.SegmentSpans, SegmentBytes: inv.SegmentBytes,
		Logs: inv.Logs, LogSpans: inv.LogSpans, LogBytes: inv.LogBytes,
		Oldest: inv.Oldest, Newest: inv.Newest,
		SetAside: append([]string{}, inv.SetAside...), Services: []service{}, Columns: []column{},
	}
	for _, s := range cmd.first(inv.Services) {
		answer.Services = append(answer.Services, service{s.Name, s.Amount})
	}
	for _, c := range cmd.first(inv.Columns) {
		answer.Columns = append(answer.Columns, column{c.Name, c.Amount})
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(answer)
}

func (cmd *StoreStatsCmd) first(list []local.Share) []local.Share {
	return list[:min(len(list), max(cmd.Limit, 0))]
}

func (cmd *StoreStatsCmd) table(w io.Writer, inv local.Inventory) error {
	var b strings.Builder
	p := colours(w)
	t := table{head: []string{"<", "files", "spans", "bytes", "bytes/span"}}
	row := func(name string, files int, spans, bytes int64) {
		each := ""
		if spans > 0 {
			each = strconv.FormatFloat(float64(bytes)/float64(spans), 'f', 1, 64)
		}
		t.add(name, strconv.Itoa(files), strconv.FormatInt(spans, 10), byteSize(bytes), each)
	}
	row("segments", inv.Segments, inv.SegmentSpans, inv.SegmentBytes)
	row("logs", inv.Logs, inv.LogSpans, inv.LogBytes)
	row("together", inv.Segments+inv.Logs, inv.SegmentSpans+inv.LogSpans, inv.SegmentBytes+inv.LogBytes)
	t.write(&b, p)
	if inv.SegmentSpans+inv.LogSpans > 0 {
		fmt.Fprintf(&b, "\nspans start from %s to %s\n", moment(strconv.FormatInt(inv.Oldest, 10)), moment(strconv.FormatInt(inv.Newest, 10)))
	}
	list := func(head []string, all []local.Share, show func(int64) string) {
		if len(all) == 0 || cmd.Limit <= 0 {
			return
		}
		total := int64(0)
		for _, s := range all {
			total += s.Amount
		}
		t := table{head: head}
		for _, s := range cmd.first(all) {
			t.add(show(s.Amount), percent(float64(s.Amount)/float64(max(total, 1))), fit(plain(s.Name), 80))
		}
		b.WriteString("\n")
		t.write(&b, p)
		if more := len(all) - cmd.Limit; more > 0 {
			fmt.Fprintf(&b, "and %d more; -n shows more\n", more)
		}
	}
	list([]string{"spans", "share", "<service"}, inv.Services, func(n int64) string { return strconv.FormatInt(n, 10) })
	list([]string{"bytes", "share", "<column of the segments"}, inv.Columns, byteSize)
	for i, s := range inv.SetAside {
		if i == 0 {
			b.WriteString("\n")
		}
		b.WriteString(p.red("not read: "+plain(s)) + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// byteSize shows a number of bytes with three digits and a decimal unit.
func byteSize(n int64) string {
	if n < 1000 {
		return strconv.FormatInt(n, 10) + " B"
	}
	f := float64(n)
	for _, unit := range []string{"kB", "MB", "GB", "TB", "PB"} {
		if f /= 1000; f < 999.5 {
			return quantity.Digits(f) + " " + unit
		}
	}
	return quantity.Digits(f/1000) + " EB"
}

// byteCount is a flag in bytes: 50GB, 512MiB, or a plain number.
type byteCount int64

var byteUnits = map[string]float64{
	"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
}

// UnmarshalText reads the flag.
func (c *byteCount) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	end := strings.LastIndexAny(s, "0123456789.") + 1
	n, err := strconv.ParseFloat(s[:end], 64)
	unit, ok := byteUnits[strings.ToLower(strings.TrimSpace(s[end:]))]
	if n *= unit; err != nil || !ok || !(n >= 0 && n < math.MaxInt64) {
		return fmt.Errorf("%q is no number of bytes, such as 50GB, 512MiB or 1000000", s)
	}
	*c = byteCount(n)
	return nil
}

// period is a flag of days or longer: 7d, 2w, or what time.ParseDuration takes.
type period time.Duration

// UnmarshalText reads the flag.
func (p *period) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	bad := fmt.Errorf("%q is no period, such as 7d, 36h or 2w", s)
	for unit, length := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		number, ok := strings.CutSuffix(s, unit)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(number, 64)
		if n *= float64(length); err != nil || !(n >= 0 && n < math.MaxInt64) {
			return bad
		}
		*p = period(n)
		return nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return bad
	}
	*p = period(d)
	return nil
}

// String shows whole days as days.
func (p period) String() string {
	if day := period(24 * time.Hour); p >= day && p%day == 0 {
		return strconv.FormatInt(int64(p/day), 10) + "d"
	}
	return time.Duration(p).String()
}

// kept says what serve keeps.
func kept(age period, size byteCount) string {
	switch {
	case age > 0 && size > 0:
		return fmt.Sprintf("spans of the last %s, the newest %s", age, byteSize(int64(size)))
	case age > 0:
		return fmt.Sprintf("spans of the last %s", age)
	case size > 0:
		return fmt.Sprintf("the newest %s", byteSize(int64(size)))
	}
	return "everything"
}
