package soap

// apex lists the calls of the Apex API by name.
var apex = map[string]operation{"executeAnonymous": executeAnonymous}

// executeAnonymous answers that the text does not compile: the emulated org runs no Apex, and says so
// where a client looks for it. Source: ExecuteAnonymousResult of the Apex WSDL.
func executeAnonymous(_ *API, _ *call) (string, error) {
	return "<result>" + element("column", 1) + element("compileProblem", "Apex cannot be run in an emulated org.") +
		element("compiled", false) + null("exceptionMessage") + null("exceptionStackTrace") + element("line", 1) + element("success", false) +
		"</result>", nil
}
