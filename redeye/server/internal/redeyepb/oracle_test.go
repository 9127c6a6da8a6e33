package redeyepb

import (
	"context"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"pgregory.net/rapid"

	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/column"
	"github.com/fuwu-project/fuwu/redeye/internal/asttest"
)

// The generated code is that of the .proto file as it is.
func TestGeneratedCodeIsCurrent(t *testing.T) {
	const name = "redeye/v1/redeye.proto"
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{"../../../../proto"}})}
	files, err := compiler.Compile(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	want, got := protodesc.ToFileDescriptorProto(files.FindFileByPath(name)), protodesc.ToFileDescriptorProto(File_redeye_v1_redeye_proto)
	if !proto.Equal(want, got) {
		t.Error("redeye.pb.go is not what protoc-gen-go makes of redeye.proto; run make proto")
	}
}

// What our own codec writes, Google's reads without a field unknown, and the other way round.
func TestProgramAgainstGeneratedCode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := asttest.Tree(func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "choice") })
		var msg Program
		if err := proto.Unmarshal(ast.AppendProto(nil, n), &msg); err != nil {
			t.Fatal(err)
		}
		for _, node := range msg.GetNodes() {
			if len(node.ProtoReflect().GetUnknown())+len(node.GetLiteral().ProtoReflect().GetUnknown()) > 0 {
				t.Fatalf("unknown fields in %v", node)
			}
		}
		b, err := proto.Marshal(&msg)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ast.ReadProto(b, ast.Limits{}); err != nil || !ast.Equal(again, n) {
			t.Fatalf("%s comes back as %v, %v", ast.Text(n), again, err)
		}
	})
}

func TestColumnAgainstGeneratedCode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pick := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "choice") }
		typ := asttest.Type(pick)
		c := asttest.Column(pick, typ, pick(20))
		var msg Column
		if err := proto.Unmarshal(column.AppendProto(nil, c), &msg); err != nil {
			t.Fatal(err)
		}
		if int(msg.GetRows()) != c.Len || len(msg.ProtoReflect().GetUnknown()) > 0 {
			t.Fatalf("%d rows of %d, unknown %x", msg.GetRows(), c.Len, msg.ProtoReflect().GetUnknown())
		}
		b, err := proto.Marshal(&msg)
		if err != nil {
			t.Fatal(err)
		}
		again, err := column.ReadProto(b, typ, 10000)
		if err != nil {
			t.Fatal(err)
		}
		for i := range c.Len {
			if got, want := string(column.AppendJSON(nil, again, i)), string(column.AppendJSON(nil, c, i)); got != want {
				t.Fatalf("row %d is %s, was %s", i, got, want)
			}
		}
	})
}
