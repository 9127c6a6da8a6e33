// Package tracer holds what the tracer's own module, which imports nothing but the standard library,
// cannot: the comparison of its encoder with OpenTelemetry's generated types, and of its cost with
// OpenTelemetry's SDK.
//
//	go test ./tracer -run - -bench . -count 6 | benchstat -col /impl -
package tracer
