// Command extract reads one query's object with Holdfast's client alone and writes CSV, so that its
// time and memory can be measured beside another client's that does the same.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"

	"holdfast/internal/salesforce"
	"holdfast/internal/salesforce/csv"
	"holdfast/internal/sf"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: extract INSTANCE_URL QUERY FILE   (the access token is read from HOLDFAST_BENCH_TOKEN)")
		os.Exit(2)
	}
	if err := extract(context.Background(), os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "extract:", err)
		os.Exit(1)
	}
}

// manyRows makes the client choose Bulk API 2.0, as the peer's export does.
const manyRows = 1_000_000

func extract(ctx context.Context, instance, query, path string) error {
	names, name, ok := strings.Cut(strings.TrimPrefix(query, "SELECT "), " FROM ")
	if !ok {
		return fmt.Errorf("%q is not SELECT fields FROM object", query)
	}
	org, err := salesforce.Connect(ctx, salesforce.Config{
		InstanceURL: instance,
		Credentials: salesforce.Credentials{AccessToken: salesforce.Secret(os.Getenv("HOLDFAST_BENCH_TOKEN"))},
	})
	if err != nil {
		return err
	}
	schema, err := org.Schema(ctx)
	if err != nil {
		return err
	}
	object := schema.Object(name)
	if object == nil {
		return fmt.Errorf("the org has no object %s", name)
	}
	fields := sf.NewShape(name, strings.Split(names, ", ")).Fields()
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	out := bufio.NewWriterSize(f, 1<<18)
	row := csv.AppendRow(nil, append([]string{"Id"}, fields...))
	cells := make([]string, 1+len(fields))
	for record, err := range org.Records(ctx, sf.Extract{Object: object, Fields: fields, ExpectRows: manyRows}) {
		if err != nil {
			return err
		}
		if _, err := out.Write(row); err != nil {
			return err
		}
		cells[0] = string(record.ID)
		for i, v := range record.Values {
			cells[i+1] = v.Text()
		}
		row = csv.AppendRow(row[:0], cells)
	}
	if _, err := out.Write(row); err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return f.Close()
}
