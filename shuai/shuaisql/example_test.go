package shuaisql_test

import (
	"context"
	"fmt"

	"github.com/fuwu-project/fuwu/shuai"
	"github.com/fuwu-project/fuwu/shuai/shuaisql"
)

// Open takes the place of [sql.Open]; the context of a call says to which request it belongs.
func ExampleOpen() {
	// "plain" stands for a driver's name, such as "mysql".
	db, err := shuaisql.Open("plain", "user:password@tcp(10.0.0.1:3306)/movie", shuaisql.Config{System: "mysql"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()

	ctx, span := shuai.StartSpan(context.Background(), "GET /subject/{id}", shuai.KindServer)
	defer span.End()
	var a int
	err = db.QueryRowContext(ctx, "SELECT a FROM movies WHERE id = ?", 1292052).Scan(&a) // a span "SELECT movies"
	fmt.Println(a, err)
	// Output: 42 <nil>
}
