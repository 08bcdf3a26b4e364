// Package preview shows what rows of tables would become in Marketo: each row
// beside its object, what would be refused and why, what would be created, changed
// and left as it is, and what all of it costs.
//
// The promise: rows become objects by the code that delivers them, mapping, lookups
// and the forms that Marketo's fields want included; a table is locked as weakly as
// there is (ACCESS SHARE), and its snapshot is held for less than a second; nothing
// is changed on either side.
//
// The limits: what is judged is what is known here. A link to a lead that there is
// not, a rule of the object type, a value that Marketo alone refuses shows with the
// first call. Rows are those with the lowest keys, and values are as of now.
package preview
