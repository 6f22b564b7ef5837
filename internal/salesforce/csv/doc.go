// Package csv reads and writes the CSV of the Bulk API 2.0 without changing one byte of a value.
//
// The standard encoding/csv turns CRLF inside quotes into LF and skips empty lines, so what went in
// does not come out. Here a quoted field holds any bytes: CR, LF, CRLF, NUL, U+2028 and bytes that
// are not UTF-8; the only escape is the doubled quote. The grammar:
//
//	rows   = [ row *( end row ) [ end ] ]
//	row    = field *( "," field )
//	field  = quoted / bare
//	quoted = DQUOTE *( any byte but DQUOTE / 2DQUOTE ) DQUOTE
//	bare   = *( any byte but DQUOTE, comma, LF )    ; a CR directly before LF belongs to the end
//	end    = LF / CRLF
//
// Anything else is an error that names the row. Reading streams, in memory bounded by one row.
package csv
