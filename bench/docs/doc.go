// Package docs checks that the programs in docs/ are programs.
package docs
