//go:build tools

// Package versitygw pins the S3 server that Runwright's tests run against.
package versitygw

import _ "github.com/versity/versitygw/cmd/versitygw"
