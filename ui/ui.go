// Package ui holds the web interface: its TypeScript source, and the built assets that the server
// embeds. dist is committed, so building the server needs no Node.
package ui

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// Files is the built web interface: index.html, and what it loads. Files under assets/ are named by a
// hash of their content and can be cached for ever. Every path that is not a file and not the API's is a
// page of the interface, for which index.html is to be served.
func Files() fs.FS {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // dist is a valid path
	}
	return files
}
