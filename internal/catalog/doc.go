// Package catalog is what PostgreSQL's catalog says of tables, types and slots, where
// the stream says too little or says it too late: values only. Who asks for them
// is replication; what is made of them is decided in mapping and preflight.
//
// It is pure: nothing here opens a connection. What it holds was true at the
// moment of the question, and the table may have changed since.
package catalog
