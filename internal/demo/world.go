package demo

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// The site's data is made up, the same each time: no store has to be filled by hand, and a figure on the
// page can be checked against these functions.

const (
	movies  = 40
	people  = 400
	bigFilm = 1 // the film whose photo page makes 295 calls
)

type movie struct {
	ID    int    `json:"id"`
	Title string `json:"title"`
	Year  int    `json:"year"`
	Cast  []int  `json:"cast"`
}

type person struct {
	ID   int    `json:"id"`
	Name string `json:"name"`
}

type picture struct {
	Movie  string `json:"movie"` // title
	Total  int    `json:"total"` // pictures of the movie
	Author int    `json:"author"`
	Text   bool   `json:"text"` // has a long description, in beansdb
	Width  int    `json:"width"`
	Height int    `json:"height"`
}

var (
	adjectives = [...]string{"Silent", "Second", "Crimson", "Borrowed", "Last", "Hidden", "Northern", "Paper", "Slow", "Endless"}
	nouns      = [...]string{"Harbour", "Winter", "Letter", "Orchard", "Mirror", "Parade", "Station", "Garden"}
	firstNames = [...]string{"Ada", "Bo", "Chen", "Dora", "Emil", "Fei", "Grace", "Hugo", "Iris", "Jun", "Kai", "Lena", "Ming", "Nora", "Otto", "Ping", "Rosa", "Sven", "Tao", "Yuki"}
	lastNames  = [...]string{"Abel", "Berg", "Costa", "Duan", "Engel", "Fang", "Garcia", "Huang", "Ito", "Jansen", "Kato", "Liu", "Moreau", "Novak", "Okafor", "Peng", "Rossi", "Sato", "Tang", "Weber"}
)

func movieOf(id int) movie {
	m := movie{ID: id, Title: fmt.Sprintf("The %s %s", adjectives[id%len(adjectives)], nouns[id*3%len(nouns)]), Year: 1960 + id*7%64}
	for k := range 5 + id%6 {
		m.Cast = append(m.Cast, 1+(id*31+k*17)%people)
	}
	return m
}

func personOf(id int) person {
	return person{id, firstNames[id%len(firstNames)] + " " + lastNames[id/len(firstNames)%len(lastNames)]}
}

// pictures is how many pictures a movie has: 180 of the big one, of others 6 to 30.
func pictures(movie int) int {
	if movie == bigFilm {
		return 180
	}
	return 6 + movie*7%25
}

// pictureOf says of the big film that its 180 pictures are by 89 people and that 26 have a description:
// the page of the talk on Douban's services that gave this system its name.
func pictureOf(id, k int) picture {
	return picture{
		Movie: movieOf(id).Title, Total: pictures(id),
		Author: 1 + (id*13+k%89)%people, Text: k%7 == 0,
		Width: 800 + k%5*160, Height: 600 + k%3*120,
	}
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
