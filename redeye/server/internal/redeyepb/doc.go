// Package redeyepb is what protoc-gen-go makes of proto/redeye/v1/redeye.proto. The server and the client have codecs of their own,
// which take no more memory than a stranger is allowed; this package is their oracle in tests, and describes the service to
// clients that ask for it by reflection.
package redeyepb
