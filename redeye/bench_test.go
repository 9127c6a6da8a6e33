package redeye

import (
	"context"
	"net/http"
	"reflect"
	"strconv"
	"testing"

	"github.com/fuwu-project/fuwu/redeye/ast"
	"github.com/fuwu-project/fuwu/redeye/column"
	"github.com/fuwu-project/fuwu/redeye/internal/pb"
	"github.com/fuwu-project/fuwu/redeye/schema"
)

type benchCard struct {
	ID     int64
	Title  string
	Rating float64
}

const benchType = "list<{id: int, title: string, rating: float}>"

// benchAnswer is an answer of so many rows, as it travels.
func benchAnswer(tb testing.TB, rows int) []byte {
	t, err := schema.Parse(benchType)
	if err != nil {
		tb.Fatal(err)
	}
	c := column.New(t)
	c.Len, c.Ends, c.Items.Len = 1, []int32{int32(rows)}, rows
	for i := range rows {
		c.Items.Fields[0].Ints = append(c.Items.Fields[0].Ints, int64(1000+i))
		c.Items.Fields[1].Texts = append(c.Items.Fields[1].Texts, "Movie number "+strconv.Itoa(i))
		c.Items.Fields[2].Floats = append(c.Items.Fields[2].Floats, float64(i%100)/10)
	}
	for _, f := range c.Items.Fields {
		f.Len = rows
	}
	return pb.AppendMessage(pb.AppendString(nil, 1, benchType), 2, func(b []byte) []byte { return column.AppendProto(b, c) })
}

func readInto(body []byte, out any) error {
	m, err := readAnswer(body)
	if err != nil {
		return err
	}
	return m.decode(out, false)
}

// Reading an answer, from the bytes to structs.
func BenchmarkReadAnswer(b *testing.B) {
	for _, rows := range []int{100, 1000, 10_000} {
		body := benchAnswer(b, rows)
		b.Run(strconv.Itoa(rows), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var cards []benchCard
				if err := readInto(body, &cards); err != nil || len(cards) != rows {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(rows), "ns/row")
		})
	}
}

// The part of it that goes from columns to structs, and beside it the same loop written by hand and with reflection.
func BenchmarkDecode(b *testing.B) {
	const rows = 1000
	t, err := schema.Parse(benchType)
	if err != nil {
		b.Fatal(err)
	}
	var value []byte
	r := pb.NewReader(benchAnswer(b, rows))
	for r.Next() {
		value = r.Bytes()
	}
	c, err := column.ReadProto(value, t, 1<<20)
	if err != nil {
		b.Fatal(err)
	}
	perRow := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
	}
	b.Run("plan", func(b *testing.B) {
		for b.Loop() {
			var cards []benchCard
			if err := decode(c, []byte(benchType), &cards, false); err != nil {
				b.Fatal(err)
			}
		}
		perRow(b)
	})
	b.Run("hand", func(b *testing.B) {
		for b.Loop() {
			cards := make([]benchCard, c.Items.Len)
			for i := range cards {
				cards[i] = benchCard{c.Items.Fields[0].Ints[i], c.Items.Fields[1].Texts[i], c.Items.Fields[2].Floats[i]}
			}
			if len(cards) != rows {
				b.Fatal()
			}
		}
		perRow(b)
	})
	b.Run("reflect", func(b *testing.B) {
		for b.Loop() {
			cards := make([]benchCard, c.Items.Len)
			v := reflect.ValueOf(cards)
			for i := range cards {
				row := v.Index(i)
				row.Field(0).SetInt(c.Items.Fields[0].Ints[i])
				row.Field(1).SetString(c.Items.Fields[1].Texts[i])
				row.Field(2).SetFloat(c.Items.Fields[2].Floats[i])
			}
		}
		perRow(b)
	})
}

type benchMovie struct{ Entity[int64] }

func (benchMovie) From(n Node) benchMovie { return benchMovie{EntityOf[int64](n)} }

func benchTalk(ids []int64, user int64) Query[[]benchCard] {
	movies := Source[Seq[benchMovie, int64]]("get_movies", Value("ids", ids))
	return Into(movies.Filter(func(x benchMovie) Bool { return Call[Bool](x, "can_view", Value("user", user)) }),
		func(x benchMovie, c *benchCard) Fields {
			return Fields{Set(&c.ID, Attr[Int](x, "id")), Set(&c.Title, Call[Str](x, "title")), Set(&c.Rating, Call[Float](x, "rating"))}
		})
}

var benchIDs = make([]int64, 100)

// The talk's query, as a call site makes it each time: symbols, and then the request.
func BenchmarkBuild(b *testing.B) {
	b.Run("symbols", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			benchTalk(benchIDs, 7)
		}
	})
	q := benchTalk(benchIDs, 7)
	b.Run("request", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := q.q.program(); err != nil {
				b.Fatal(err)
			}
		}
	})
	root, _, err := q.q.tree.build()
	if err != nil {
		b.Fatal(err)
	}
	b.Run("hash", func(b *testing.B) { // which only Prepare computes
		for b.Loop() {
			ast.HashOf(root)
		}
	})
}

// A whole query without network and server: what the client costs. 100 rows come back.
func BenchmarkRun(b *testing.B) {
	body := benchAnswer(b, 100)
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/proto")
		_, _ = w.Write(body)
	})
	c := NewClient("", Config{HTTP: &http.Client{Transport: InProcess(h)}})
	ctx := context.Background()
	b.Run("built", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := benchTalk(benchIDs, 7).Run(ctx, c); err != nil {
				b.Fatal(err)
			}
		}
	})
	page := Prepare2("page", func(ids Param[[]int64], user Param[int64]) Query[[]benchCard] {
		movies := Source[Seq[benchMovie, int64]]("get_movies", NodeOf(ids))
		return Into(movies.Filter(func(x benchMovie) Bool { return Call[Bool](x, "can_view", NodeOf(user)) }),
			func(x benchMovie, c *benchCard) Fields {
				return Fields{Set(&c.ID, Attr[Int](x, "id")), Set(&c.Title, Call[Str](x, "title")), Set(&c.Rating, Call[Float](x, "rating"))}
			})
	})
	b.Run("prepared", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := page.Run(ctx, c, benchIDs, 7); err != nil {
				b.Fatal(err)
			}
		}
	})
}
