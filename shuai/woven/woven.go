// Package woven is what a program that "shuai build" made begins with. No program imports it by itself.
package woven

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"
	"unsafe"

	"github.com/fuwu-project/fuwu/shuai"
	"github.com/fuwu-project/fuwu/shuai/internal/goroutine"
)

// flush is how long the end of a program may be put off by what has not been sent.
const flush = time.Second

var once sync.Once

// Start starts the tracer of the process, once, as the environment says. get and set are the memory of the running goroutine, and atExit takes
// what is to be done before the process ends. A tracer that cannot be started is said on standard error, and the program runs without.
func Start(get func() unsafe.Pointer, set func(unsafe.Pointer), atExit func(func())) {
	once.Do(func() { start(&goroutine.Memory{Get: get, Set: set}, atExit) })
}

func start(memory *goroutine.Memory, atExit func(func())) {
	stop, err := shuai.Start(shuai.Config{})
	if err != nil {
		fmt.Fprintf(os.Stderr, "shuai: this program is not traced: %v\n", err)
		return
	}
	goroutine.Use(memory)
	atExit(func() {
		ctx, cancel := context.WithTimeout(context.Background(), flush)
		defer cancel()
		_ = stop(ctx) // nobody is left to be told
	})
}
