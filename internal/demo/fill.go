package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

// schema is the tables of the site.
var schema = []string{
	"CREATE TABLE movie (id BIGINT PRIMARY KEY, title VARCHAR(100) NOT NULL, year BIGINT NOT NULL, pictures BIGINT NOT NULL)",
	"CREATE TABLE person (id BIGINT PRIMARY KEY, name VARCHAR(100) NOT NULL)",
	"CREATE TABLE part (movie BIGINT, place BIGINT, person BIGINT NOT NULL, PRIMARY KEY (movie, place), KEY (person))",
	"CREATE TABLE restricted (movie BIGINT, audience BIGINT, PRIMARY KEY (movie, audience))",
	"CREATE TABLE collected (user BIGINT, place BIGINT, movie BIGINT NOT NULL, PRIMARY KEY (user, place))",
	"CREATE TABLE recommended (user BIGINT, place BIGINT, movie BIGINT NOT NULL, PRIMARY KEY (user, place))",
	"CREATE TABLE archived (user BIGINT, movie BIGINT NOT NULL, PRIMARY KEY (user))",
}

// fill puts the world into the stores.
func (s *stores) fill(ctx context.Context) error {
	for _, statement := range schema {
		if _, err := s.sql.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	rows := map[string][][]any{}
	add := func(into string, values ...any) { rows[into] = append(rows[into], values) }
	ratings := []any{}
	for id := int64(1); id <= films; id++ {
		m := movieOf(id)
		add("movie (id, title, year, pictures)", m.ID, m.Title, m.Year, m.Pictures)
		for place, p := range castOf(id) {
			add("part (movie, place, person)", id, place, p)
		}
		add("restricted (movie, audience)", id, audienceBarred(id))
		ratings = append(ratings, key("rating", id), ratingOf(id))
		for k := range m.Pictures {
			if err := s.fillPicture(pictureOf(id, k)); err != nil {
				return err
			}
		}
	}
	for id := int64(1); id <= people; id++ {
		p := personOf(id)
		add("person (id, name)", p.ID, p.Name)
		for place, m := range collectionOf(id) {
			add("collected (user, place, movie)", id, place, m)
		}
		for place, m := range recommendedTo(id) {
			add("recommended (user, place, movie)", id, place, m)
		}
		if id%10 == 0 {
			add("archived (user, movie)", id, 1+id%pictured)
		}
		if err := s.mc.set(key("user_card", id), []byte(p.Name)); err != nil {
			return err
		}
	}
	for into, values := range rows {
		if err := s.insert(ctx, into, values); err != nil {
			return err
		}
	}
	if err := s.mc.set(homeListKey, homeList()); err != nil {
		return err
	}
	if err := s.redis.MSet(ctx, ratings...).Err(); err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	return nil
}

func (s *stores) fillPicture(p picture) error {
	about, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if err := s.beansdb.set(key("pic", p.Movie, p.K), about); err != nil || !p.HasText {
		return err
	}
	return s.beansdb.set(key("pic_text", p.Movie, p.K), []byte(pictureText(p.K)))
}

// insert inserts rows, so many in a statement as a stand-in takes.
func (s *stores) insert(ctx context.Context, into string, rows [][]any) error {
	for len(rows) > 0 {
		some := rows[:min(len(rows), 1000)]
		rows = rows[len(some):]
		one := "(" + marks(len(some[0])) + ")"
		args := []any{}
		for _, r := range some {
			args = append(args, r...)
		}
		if _, err := s.sql.ExecContext(ctx, "INSERT INTO "+into+" VALUES "+one+strings.Repeat(", "+one, len(some)-1), args...); err != nil {
			return err
		}
	}
	return nil
}

// marks is ?, ?, ?.
func marks(n int) string { return strings.TrimPrefix(strings.Repeat(", ?", n), ", ") }
