package demo

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"
)

// The site's data is made up, the same each time: the stores are filled from these functions, and a figure on a page can be
// checked against them.

const (
	films    = 1000 // in the database
	pictured = 40   // films 1 to 40 have pictures, and visitors
	people   = 400  // who play in films, take pictures and visit the site
	bigFilm  = 1    // the film whose photo page makes 295 calls
)

type movie struct {
	ID       int64  `json:"id"`
	Title    string `json:"title"`
	Year     int64  `json:"year"`
	Pictures int64  `json:"pictures"` // how many there are
}

type person struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

// picture is picture K of a film, from 0.
type picture struct {
	Movie   int64  `json:"movie"`
	Title   string `json:"title"` // of the film
	K       int64  `json:"k"`
	Total   int64  `json:"total"` // pictures of the film
	Author  int64  `json:"author"`
	HasText bool   `json:"has_text"` // a long description, in a store of its own
	Width   int64  `json:"width"`
	Height  int64  `json:"height"`
}

var (
	adjectives = [...]string{"Silent", "Second", "Crimson", "Borrowed", "Last", "Hidden", "Northern", "Paper", "Slow", "Endless"}
	nouns      = [...]string{"Harbour", "Winter", "Letter", "Orchard", "Mirror", "Parade", "Station", "Garden"}
	firstNames = [...]string{"Ada", "Bo", "Chen", "Dora", "Emil", "Fei", "Grace", "Hugo", "Iris", "Jun", "Kai", "Lena", "Ming", "Nora", "Otto", "Ping", "Rosa", "Sven", "Tao", "Yuki"}
	lastNames  = [...]string{"Abel", "Berg", "Costa", "Duan", "Engel", "Fang", "Garcia", "Huang", "Ito", "Jansen", "Kato", "Liu", "Moreau", "Novak", "Okafor", "Peng", "Rossi", "Sato", "Tang", "Weber"}
)

func movieOf(id int64) movie {
	return movie{id, fmt.Sprintf("The %s %s", adjectives[id%int64(len(adjectives))], nouns[id*3%int64(len(nouns))]), 1960 + id*7%64, pictures(id)}
}

func personOf(id int64) person {
	return person{id, firstNames[id%int64(len(firstNames))] + " " + lastNames[id/int64(len(firstNames))%int64(len(lastNames))]}
}

// homeList is the ids on the home page, as the cache has them: the best films first, nearly.
func homeList() []byte {
	var b []byte
	for i := range int64(films) {
		b = strconv.AppendInt(append(b, ' '), 1+i*387%films, 10)
	}
	return b
}

// castOf is who plays in a film: 5 to 10 people.
func castOf(movie int64) (ids []int64) {
	for k := range 5 + movie%6 {
		ids = append(ids, 1+(movie*31+k*17)%people)
	}
	return ids
}

// ratingOf is in tenths, 50 to 99.
func ratingOf(movie int64) int64 { return 50 + movie*13%50 }

// audienceOf is one of ten to which a user belongs, audienceBarred the one that must not see a film.
func audienceOf(user int64) int64      { return user % 10 }
func audienceBarred(movie int64) int64 { return movie % 10 }

// collectionOf is the films that a user collects, recommendedTo those that the site thinks they should.
func collectionOf(user int64) (ids []int64) {
	for k := range 3 + user%6 {
		ids = append(ids, 1+(user*5+k*13)%pictured)
	}
	return ids
}

func recommendedTo(user int64) (ids []int64) {
	for k := range 4 + user%5 {
		ids = append(ids, 1+(user*7+k*11)%pictured)
	}
	return ids
}

// pictures is how many pictures a film has: 180 of the big one, of others that have any 6 to 30.
func pictures(movie int64) int64 {
	switch {
	case movie == bigFilm:
		return 180
	case movie < 1 || movie > pictured:
		return 0
	}
	return 6 + movie*7%25
}

// pictureOf says of the big film that its 180 pictures are by 89 people and that 26 have a description:
// the page of the talk on Douban's services that gave this system its name.
func pictureOf(movie, k int64) picture {
	return picture{
		Movie: movie, Title: movieOf(movie).Title, K: k, Total: pictures(movie),
		Author: 1 + (movie*13+k%89)%people, HasText: k%7 == 0,
		Width: 800 + k%5*160, Height: 600 + k%3*120,
	}
}

func pictureText(k int64) string {
	return fmt.Sprintf("what happened the day picture %d was taken", k+1)
}

// latency is how long a backend takes: lognormal, with the given median.
type latency struct {
	mu  sync.Mutex
	rng *rand.Rand
}

func (l *latency) draw(median time.Duration) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return min(time.Duration(float64(median)*math.Exp(0.5*l.rng.NormFloat64())), 20*median)
}
