package simulator_test

import (
	"net/http/httptest"
	"testing"

	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/marketo/rest"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
	"github.com/cdcsync/cdcsync/internal/marketo/soap"
)

// An id that is replaced in its file is used without a restart, as a secret is.
func TestIDIsReadAgain(t *testing.T) {
	sim := simulator.New(simulator.Options{})
	server := httptest.NewServer(sim)
	defer server.Close()
	defer sim.Close()
	soapID, restID := "old", "old"
	soap, err := soap.New(soap.Config{Endpoint: server.URL + "/soap/mktows/2_3",
		ID: func() (string, error) { return soapID, nil }, Secret: func() (string, error) { return simulator.DefaultSecretKey, nil }})
	if err != nil {
		t.Fatal(err)
	}
	rest, err := rest.New(rest.Config{Endpoint: server.URL,
		ID: func() (string, error) { return restID, nil }, Secret: func() (string, error) { return simulator.DefaultClientSecret, nil }})
	if err != nil {
		t.Fatal(err)
	}
	for _, client := range []marketo.Client{soap, rest} {
		if err := client.Login(t.Context()); err == nil {
			t.Errorf("%T: a wrong id was accepted", client)
		}
	}
	soapID, restID = simulator.DefaultUserID, simulator.DefaultClientID
	for _, client := range []marketo.Client{soap, rest} {
		if err := client.Login(t.Context()); err != nil {
			t.Errorf("%T: with the right id: %v", client, err)
		}
	}
}
