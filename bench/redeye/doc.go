// Package redeye compares Redeye with what a team would do instead, on the talk's query: of n films those that a user may see, each with its title
// and rating. All strategies ask one process over loopback with net/http, a backend operation costs the same latency whether it is
// for one film or for many, and all give the same answer, which the test checks.
package redeye
