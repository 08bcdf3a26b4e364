// Package rest is Marketo's REST API as a marketo.Client: the successors of the
// SOAP calls, up to 300 objects and a million bytes each, and what else is asked
// of Marketo: the description of a type, objects by their keys or all of them in a
// file, and the calls of the day.
//
// The promises are those of package marketo. A token is fetched by one call at a
// time, when there is none that is fresh. Replies are read to 64 levels; what is
// not well-formed confirms nothing.
package rest
