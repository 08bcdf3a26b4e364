// Package scaffold proposes a configuration for tables that it finds in a
// database: a mapping for each, with what it guessed and what cannot be mapped
// as comments, in a file that Load takes and check agrees with.
//
// It promises to change nothing on either side, and to write no secret. What it
// proposes is a beginning: which fields an object type has is known where
// Marketo was asked, and else taken from the columns; which column links an
// object to a lead is guessed by name, and said to be a guess.
package scaffold
