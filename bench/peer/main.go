// Command peer extracts one query with the go-salesforce module, so that its time and memory can be
// measured beside Holdfast's against the same org. It is a module of its own: nothing of the product
// depends on it.
package main

import (
	"fmt"
	"os"

	"github.com/k-capehart/go-salesforce/v3"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: peer INSTANCE_URL QUERY FILE   (the access token is read from HOLDFAST_BENCH_TOKEN)")
		os.Exit(2)
	}
	sf, err := salesforce.Init(salesforce.Creds{Domain: os.Args[1], AccessToken: os.Getenv("HOLDFAST_BENCH_TOKEN")})
	if err == nil {
		err = sf.QueryBulkExport(os.Args[2], os.Args[3])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}
