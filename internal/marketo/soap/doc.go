// Package soap is Marketo's SOAP API as a marketo.Client: the calls
// syncCustomObjects and deleteCustomObjects, up to 100 objects each.
//
// The promises are those of package marketo. Replies are read by a reader of its
// own that knows no entities and no document types and goes 64 levels deep; what
// is not well-formed confirms nothing. Adobe removed the SOAP API from live
// instances on 2026-07-31; it remains for gateways and recorded environments.
package soap
