module github.com/fuwu-project/fuwu/redeye/server

go 1.26.0

require (
	connectrpc.com/connect/v2 v2.0.2
	github.com/bufbuild/protocompile v0.14.1
	github.com/cockroachdb/datadriven v1.0.3
	github.com/fuwu-project/fuwu/redeye v0.0.0
	github.com/fuwu-project/fuwu/shuai v0.0.0
	go.starlark.net v0.0.0-20260908191801-89a6a09411d5
	google.golang.org/protobuf v1.36.12
	pgregory.net/rapid v1.3.0
)

require (
	github.com/pmezard/go-difflib v1.0.0 // indirect
	golang.org/x/sync v0.8.0 // indirect
)

replace github.com/fuwu-project/fuwu/redeye => ../

replace github.com/fuwu-project/fuwu/shuai => ../../shuai
