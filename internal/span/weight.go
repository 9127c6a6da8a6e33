package span

import (
	"bytes"
	"strconv"
)

// maxWeight bounds what a sender can make one span stand for.
const maxWeight = 1e9

// Weight is the number of traces that a sampled one stands for, itself included, by its tracestate: 1 where that does not say. The member
// ot=th:{1 to 14 hexadecimal digits} is the threshold of OpenTelemetry's consistent probability sampling: of the 2^56 random numbers
// that a trace can have, so many did not get it sampled. Digits left out at the end are zeros.
func Weight(tracestate []byte) float64 {
	const numbers = 1 << 56
	for member := range bytes.SplitSeq(tracestate, []byte(",")) {
		fields, ok := bytes.CutPrefix(bytes.TrimSpace(member), []byte("ot="))
		if !ok {
			continue
		}
		for field := range bytes.SplitSeq(fields, []byte(";")) {
			digits, ok := bytes.CutPrefix(field, []byte("th:"))
			if !ok || len(digits) == 0 || len(digits) > 14 || bytes.ContainsAny(digits, "_+-xX") {
				continue
			}
			if threshold, err := strconv.ParseUint(string(digits), 16, 64); err == nil {
				return min(numbers/float64(numbers-threshold<<(4*(14-len(digits)))), maxWeight)
			}
		}
		return 1
	}
	return 1
}
