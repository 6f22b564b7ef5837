package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"holdfast/internal/emulator/org"
)

// maxJSON bounds the body of a JSON request. The platform's bound is 50 MB for most resources.
const maxJSON = 50 << 20

// ReadJSON decodes the body of the request into v. Numbers in an any keep their text (json.Number).
func (c *Call) ReadJSON(v any) error {
	body, err := c.readBody()
	if err != nil {
		return err
	}
	return DecodeJSON(body, v)
}

// ReadOnly is ReadJSON for a body that may hold only what v has a field for.
func (c *Call) ReadOnly(v any) error {
	body, err := c.readBody()
	if err != nil {
		return err
	}
	return DecodeOnly(body, v)
}

func (c *Call) readBody() ([]byte, error) {
	// A request that does not say what it sends is read as JSON; whether the platform does is unverified.
	if kind, _, err := mime.ParseMediaType(c.Header.Get("Content-Type")); err == nil && kind != "application/json" {
		return nil, BadRequest("UNSUPPORTED_MEDIA_TYPE", "Content-Type '"+kind+"' not supported.")
	}
	body, err := io.ReadAll(io.LimitReader(c.Body, maxJSON+1))
	if err != nil {
		return nil, BadRequest("JSON_PARSER_ERROR", "The request body ended early.")
	}
	if len(body) > maxJSON {
		return nil, &Error{Status: http.StatusRequestEntityTooLarge, Errors: []org.Error{{
			Code: "REQUEST_ENTITY_TOO_LARGE", Message: "The request body is larger than 50 MB.",
		}}}
	}
	return body, nil
}

// DecodeJSON decodes one JSON value, or returns the platform's error for text that is none.
func DecodeJSON(body []byte, v any) error { return decode(body, v, false) }

// DecodeOnly is DecodeJSON for a value that may hold only what v has a field for. That the platform refuses other fields of
// a Bulk job, and its words, are unverified.
func DecodeOnly(body []byte, v any) error { return decode(body, v, true) }

func decode(body []byte, v any, only bool) error {
	if i := invalidByte(body); i >= 0 {
		return parserError(body, int64(i), fmt.Sprintf("Invalid UTF-8 byte 0x%x", body[i]))
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if only {
		d.DisallowUnknownFields()
	}
	if err := d.Decode(v); err != nil {
		return jsonError(body, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return BadRequest("JSON_PARSER_ERROR", "Unexpected content after the end of the JSON value")
	}
	return nil
}

// invalidByte finds the first byte that is not UTF-8; -1 when there is none.
func invalidByte(body []byte) int {
	if utf8.Valid(body) {
		return -1
	}
	for i := 0; i < len(body); {
		r, n := utf8.DecodeRune(body[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

// tokens are the names that the platform's reader, which is Jackson, has for values.
var tokens = map[string]string{
	"object": "START_OBJECT", "array": "START_ARRAY", "string": "VALUE_STRING", "number": "VALUE_NUMBER", "bool": "VALUE_TRUE",
}

// jsonError spells an error of the reader in words of the platform's, with the place. The exact words are unverified.
func jsonError(body []byte, err error) error {
	if errors.Is(err, io.EOF) {
		return BadRequest("JSON_PARSER_ERROR", "No content to map to Object due to end of input")
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return parserError(body, int64(len(body)), "Unexpected end-of-input")
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return parserError(body, e.Offset, "Unexpected character")
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		kind, _, _ := strings.Cut(e.Value, " ")
		token := tokens[kind]
		if token == "" {
			token = "VALUE_STRING"
		}
		name := e.Field
		if name == "" {
			name = "the request"
		}
		return parserError(body, e.Offset, "Cannot deserialize instance of "+name+" from "+token)
	}
	if _, field, ok := strings.Cut(err.Error(), "unknown field "); ok {
		return BadRequest("JSON_PARSER_ERROR", "Unrecognized field "+field)
	}
	return BadRequest("JSON_PARSER_ERROR", "The request body cannot be read as JSON")
}

// parserError adds the place of an offset.
func parserError(body []byte, offset int64, message string) error {
	before := body[:max(0, min(int(offset), len(body)))]
	line := 1 + bytes.Count(before, []byte{'\n'})
	column := len(before) - bytes.LastIndexByte(before, '\n')
	return BadRequest("JSON_PARSER_ERROR", fmt.Sprintf("%s at [line:%d, column:%d]", message, line, column))
}
