package local

import (
	"errors"
	"fmt"
	"time"

	"github.com/fuwu-project/fuwu/internal/store"
)

// Bounds of a group that is committed at once.
const (
	maxGroup      = 64
	maxGroupBytes = 16 << 20
)

// committer is the one goroutine that writes the log and appends to the head. It takes all requests that
// wait and commits them as a group: one write, one fsync, one answer for each.
type committer struct {
	s      *Store
	head   *head
	group  []*request
	frames []byte
	seal   *time.Timer // runs while the head has spans
}

func newCommitter(s *Store, current *head) *committer {
	c := &committer{s: s, head: current, seal: time.NewTimer(s.o.SealAfter)}
	if current.rows() == 0 {
		c.seal.Stop()
	}
	return c
}

func (c *committer) run() {
	tick := time.NewTicker(c.s.o.SyncEvery)
	defer tick.Stop()
	defer c.seal.Stop()
	for {
		select {
		case r := <-c.s.requests:
			c.take(r)
			c.commit()
		case <-tick.C:
			c.sync()
		case done := <-c.s.rotate:
			done <- c.rotate()
		case <-c.seal.C:
			c.sealDue()
		case <-c.s.closing:
			c.finish()
			return
		}
	}
}

// sealDue seals a head that is old enough. While there is no room for another it stays: waiting for room
// would keep Append waiting, for which there is room.
func (c *committer) sealDue() {
	if c.s.hasRoom() {
		err := c.rotate()
		if err == nil {
			return
		}
		c.s.complain("begin a new log", err)
	}
	c.seal.Reset(c.s.o.sealWait)
}

// take begins a group with r and adds what else is waiting.
func (c *committer) take(r *request) {
	c.group = append(c.group[:0], r)
	for bytes := len(r.body); len(c.group) < maxGroup && bytes < maxGroupBytes; {
		select {
		case r := <-c.s.requests:
			c.group = append(c.group, r)
			bytes += len(r.body)
		default:
			return
		}
	}
}

// commit stores the group and answers.
func (c *committer) commit() {
	err := c.makeRoom()
	c.frames = c.frames[:0]
	group := c.group[:0]
	for _, r := range c.group {
		if !r.state.CompareAndSwap(waiting, taken) {
			continue
		}
		group = append(group, r)
		c.frames = append(appendFrame(c.frames, r.format, r.body), r.body...)
	}
	if err == nil && len(group) > 0 {
		err = c.write()
	}
	if err == nil && len(group) > 0 && c.head.rows() == 0 {
		c.seal.Reset(c.s.o.SealAfter)
	}
	if err != nil && !errors.Is(err, store.ErrClosed) { // the client may come again with it
		err = fmt.Errorf("%w: %w", store.ErrFull, err)
	}
	for i, r := range group {
		if err == nil {
			c.head.append(r.batch)
		}
		r.done <- err
		group[i] = nil // the batch is its owner's again
	}
	if cap(c.frames) > maxGroupBytes {
		c.frames = nil
	}
}

func (c *committer) write() error {
	log := c.head.log
	if err := log.write(c.frames); err != nil {
		return err
	}
	if c.s.o.FsyncBatch {
		if err := log.sync(); err != nil {
			return err
		}
	}
	c.head.logBytes.Store(log.end)
	return nil
}

// makeRoom sees to it that the head and its log can take spans.
func (c *committer) makeRoom() error {
	if c.head.log.broken == nil && !c.head.full(c.s.o.SegmentRows, c.s.o.SegmentBytes) {
		return nil
	}
	return c.rotate()
}

// rotate begins a new head with a new log and leaves the old one to the sealer. It waits until the sealer
// has room for it, which may be long: what was acknowledged is synced before.
func (c *committer) rotate() error {
	old := c.head
	if err := old.log.sync(); err != nil { // its spans are in memory: sealing saves them
		c.s.o.Logger.Error("sync log before sealing", "error", err)
	}
	for !c.s.hasRoom() {
		select {
		case <-c.s.sealed:
		case <-c.s.closing:
			return store.ErrClosed
		}
	}
	number := old.number + 1
	log, err := createLog(c.s.fs, c.s.o.Dir, c.s.path(number, logSuffix), number)
	if err != nil {
		return err
	}
	h := newHead(number)
	h.expect(old)
	h.log = log
	h.logBytes.Store(log.end)
	c.head = h
	c.seal.Stop()
	c.s.mu.Lock()
	c.s.heads = append(c.s.heads, h)
	c.s.mu.Unlock()
	signal(c.s.wake)
	return nil
}

// sync does what is due every SyncEvery.
func (c *committer) sync() {
	if c.head.log.broken == nil {
		c.s.complain("sync log", c.head.log.sync())
	}
	if c.head.log.broken != nil && c.head.rows() > 0 && c.s.hasRoom() { // what the disk has is unknown
		c.s.complain("begin a new log", c.rotate())
	}
}

// finish answers those who came too late and leaves the last head to the sealer.
func (c *committer) finish() {
	for {
		select {
		case r := <-c.s.requests:
			if r.state.CompareAndSwap(waiting, taken) {
				r.done <- store.ErrClosed
			}
			continue
		default:
		}
		break
	}
	close(c.s.last)
	signal(c.s.wake)
}

func (s *Store) hasRoom() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.heads) < maxHeads
}

// signal leaves a message unless there is one already.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
