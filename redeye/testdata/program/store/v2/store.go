package store

import "github.com/fuwu-project/fuwu/redeye"

func Here() redeye.CallSite { return redeye.Here(0) }

func Literal(run func(func()), show func(string, redeye.CallSite)) {
	run(func() { show("literal of store/v2", redeye.Here(0)) })
}
