//go:build tools

// Package buildkit pins BuildKit, whose own two commands are built as they are.
package buildkit

import (
	_ "github.com/moby/buildkit/cmd/buildctl"
	_ "github.com/moby/buildkit/cmd/buildkitd"
)
