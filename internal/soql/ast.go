package soql

import "strings"

// Query is one SELECT statement. A query made by hand may leave Text empty; Print does not use it.
type Query struct {
	Text string // as parsed; error messages quote from it

	Select  []Item
	From    From
	Scope   string // USING SCOPE, such as "mine"; empty when not given
	Where   Expr   // nil when not given
	With    string // WITH SECURITY_ENFORCED, USER_MODE or SYSTEM_MODE; empty when not given
	GroupBy *GroupBy
	Having  Expr // nil when not given
	OrderBy []Order
	Limit   *int64
	Offset  *int64
	For     []string // "VIEW", "REFERENCE", "UPDATE", in the order written
	AllRows bool     // ALL ROWS: also records in the Recycle Bin
}

// IsCount reports SELECT COUNT() with nothing in the parentheses, which answers a number and no rows.
func (q *Query) IsCount() bool {
	if len(q.Select) != 1 {
		return false
	}
	c, ok := q.Select[0].(*Call)
	return ok && c.Name == "COUNT" && c.Arg == nil && len(c.Args) == 0
}

// IsAggregate reports a query whose rows are groups (AggregateResult) and not records.
func (q *Query) IsAggregate() bool {
	if q.GroupBy != nil {
		return true
	}
	for _, item := range q.Select {
		if c, ok := item.(*Call); ok && c.IsAggregate() {
			return !q.IsCount()
		}
	}
	return false
}

// From names the object of a query. In a sub-select it names the child relationship.
type From struct {
	Name  string
	Alias string // empty when not given
	Pos   int    // offset of Name in the text
}

// Item is one thing selected: *Path, *Call, *Child, *TypeOf or *Fields.
type Item interface{ item() }

// Path is a field, possibly through parent relationships: Account.Owner.Name has three names.
type Path struct {
	Names []string
	Alias string // of a selected field in an aggregate query; empty when not given
	Pos   int    // offset in the text
}

// Field returns the last name of the path.
func (p *Path) Field() string { return p.Names[len(p.Names)-1] }

// String returns the path as SOQL writes it, without alias.
func (p *Path) String() string { return strings.Join(p.Names, ".") }

// Call is a function over a field: an aggregate (COUNT, COUNT_DISTINCT, SUM, AVG, MIN, MAX,
// GROUPING), a date function (CALENDAR_YEAR …), or toLabel, convertCurrency, FORMAT, DISTANCE.
type Call struct {
	Name  string // in capitals
	Arg   *Path  // nil for COUNT() and where the argument is a call
	Args  []Expr // arguments that are not one plain path, in order; nil otherwise
	Alias string // empty when not given
	Pos   int
}

// IsAggregate reports a function that folds the rows of a group into one value.
func (c *Call) IsAggregate() bool {
	switch c.Name {
	case "COUNT", "COUNT_DISTINCT", "SUM", "AVG", "MIN", "MAX", "GROUPING":
		return true
	}
	return false
}

// Child is a sub-select over a child relationship, named by Query.From.
type Child struct{ Query *Query }

// TypeOf chooses fields by the object that a polymorphic relationship points to.
type TypeOf struct {
	Path  *Path // the relationship, such as What
	Whens []When
	Else  []*Path // nil when not given
	Pos   int
}

// When is one branch of a TypeOf.
type When struct {
	Object string
	Fields []*Path
}

// Fields is FIELDS(ALL), FIELDS(STANDARD) or FIELDS(CUSTOM).
type Fields struct {
	Group string // in capitals
	Pos   int
}

func (*Path) item()   {}
func (*Call) item()   {}
func (*Child) item()  {}
func (*TypeOf) item() {}
func (*Fields) item() {}

// Expr is a condition (*And, *Or, *Not, *Comparison, *Membership) or an operand of one (*Path,
// *Call, Literal).
type Expr interface{ expr() }

// And holds when all of its two or more terms hold.
type And struct{ Terms []Expr }

// Or holds when one of its two or more terms holds.
type Or struct{ Terms []Expr }

// Not holds when its term does not.
type Not struct{ Term Expr }

// Op is a comparison operator as SOQL writes it.
type Op string

// The operators of a Comparison.
const (
	Equal        Op = "="
	NotEqual     Op = "!="
	Less         Op = "<"
	LessEqual    Op = "<="
	Greater      Op = ">"
	GreaterEqual Op = ">="
	Like         Op = "LIKE"
)

// Comparison compares a field or a function of one with a literal. The text of a pattern of LIKE
// keeps its escapes: % and _ are wild in it, and a backslash makes the next character plain.
type Comparison struct {
	Left  Expr // *Path or *Call
	Op    Op
	Right Literal
	Pos   int // offset of the operator
}

// SetOp is an operator of a Membership.
type SetOp string

// The operators of a Membership. INCLUDES and EXCLUDES are of multi-select picklists, where one
// literal such as 'A;B' asks for both values at once.
const (
	In       SetOp = "IN"
	NotIn    SetOp = "NOT IN"
	Includes SetOp = "INCLUDES"
	Excludes SetOp = "EXCLUDES"
)

// Membership compares a field with a set: literals, or the rows of a sub-query (semi-join).
type Membership struct {
	Left Expr // *Path or *Call
	Op   SetOp
	Set  []Literal
	Sub  *Query // nil when Set is given
	Pos  int
}

func (*And) expr()        {}
func (*Or) expr()         {}
func (*Not) expr()        {}
func (*Comparison) expr() {}
func (*Membership) expr() {}
func (*Path) expr()       {}
func (*Call) expr()       {}
func (Literal) expr()     {}

// LiteralKind tells the literals apart.
type LiteralKind uint8

// The kinds of literal.
const (
	NullLiteral     LiteralKind = iota
	BoolLiteral                 // Text is "true" or "false"
	NumberLiteral               // Text as written
	StringLiteral               // Text without quotes, its escapes read
	DateLiteral                 // Text is 2006-01-02
	DatetimeLiteral             // Text as written, with its zone
	RangeLiteral                // Text is a name such as TODAY or LAST_N_DAYS, N its number
	CurrencyLiteral             // Text as written, such as USD5000
)

// Literal is a constant of a query.
type Literal struct {
	Kind LiteralKind
	Text string
	N    int // of a range that takes a number, such as LAST_N_DAYS:30
	Pos  int
}

// GroupBy is the GROUP BY clause.
type GroupBy struct {
	Kind  string // "", "ROLLUP" or "CUBE"
	Items []Expr // *Path or *Call
}

// Order is one term of ORDER BY.
type Order struct {
	By    Expr // *Path or *Call
	Desc  bool
	Nulls string // "FIRST" or "LAST"; empty when not given, which means first
}
