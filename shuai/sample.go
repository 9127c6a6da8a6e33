package shuai

import "math"

// randomBits are the bits of a trace id by which traces are sampled: the 56 that are random in every
// trace whose W3C random flag is set.
const randomBits = 1<<56 - 1

// threshold is what the random bits of a trace id must reach for the trace to be recorded, as
// OpenTelemetry's consistent probability sampling has it: a trace that one process records at
// a ratio is recorded by every process with that ratio or a larger one.
func threshold(ratio float64) uint64 {
	switch {
	case ratio >= 1:
		return 0
	case !(ratio > 0): // NaN too
		return randomBits + 1
	}
	return randomBits + 1 - max(1, uint64(math.Round(ratio*(randomBits+1))))
}

func sampled(trace TraceID, threshold uint64) bool { return trace.Lo&randomBits >= threshold }
