// Package opened opens the database while the program is being initialised.
package opened

import (
	"database/sql"
	"log"
	"os"

	_ "github.com/go-sql-driver/mysql"
)

// DB is the database.
var DB = open()

func open() *sql.DB {
	db, err := sql.Open("mysql", os.Getenv("SHOP_DB"))
	if err != nil {
		log.Fatal(err)
	}
	return db
}
