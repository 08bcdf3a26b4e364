// Package marketo says what goes to Marketo and what comes back: custom objects,
// batches, Marketo's word on each object, its codes and its limits. It is pure;
// what speaks to Marketo is a [Client], over SOAP (package soap) or REST (package
// rest).
//
// The promise: a [Result] says Confirmed only when a complete, well-formed
// reply holds exactly one status for exactly that object, and the status is one
// that the operation can have. A reply that is cut, doubled, contradictory,
// too large or not what was asked for confirms nothing. No Client retries,
// waits or counts: one call of Sync is one attempt, never repeated by the HTTP
// layer, and its body is never sent to another host. [Limiter] is the
// arithmetic of Marketo's limits for whoever does count.
//
// A Fault's Code is Marketo's own, or "http_NNN" for a bare HTTP status, or
//
//	timeout     no complete reply in time
//	connection  no connection, or one that broke
//	tls         the server's certificate or handshake
//	redirect    the endpoint points elsewhere
//	reply       an answer that is not Marketo's, or not a whole one
//	secret      the secret cannot be read; nothing was sent
//	value       an object that the wire cannot carry; nothing was sent
//
// The limits: at most 100 objects a call (SOAP) or 300 objects and a million
// bytes (REST), replies of 4 MiB, 64 levels deep. Adobe removed the SOAP API
// from live instances on 2026-07-31; SOAP remains for gateways and recorded
// environments.
package marketo
