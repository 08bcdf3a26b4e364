package simulator_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/cdcsync/cdcsync/internal/marketo"
	"github.com/cdcsync/cdcsync/internal/marketo/rest"
	"github.com/cdcsync/cdcsync/internal/marketo/simulator"
	"github.com/cdcsync/cdcsync/internal/marketo/soap"
)

// The project's own clients, which read the contract independently.

func secret(text string) func() (string, error) {
	return func() (string, error) { return text, nil }
}

func (in *instance) clients() map[string]marketo.Client {
	in.t.Helper()
	soap, err := soap.New(soap.Config{
		Endpoint: in.server.URL + "/soap/mktows/2_3", User: simulator.DefaultUserID, Secret: secret(simulator.DefaultSecretKey),
	})
	if err != nil {
		in.t.Fatal(err)
	}
	rest, err := rest.New(rest.Config{
		Endpoint: in.server.URL + "/rest", User: simulator.DefaultClientID, Secret: secret(simulator.DefaultClientSecret),
	})
	if err != nil {
		in.t.Fatal(err)
	}
	in.t.Cleanup(soap.Close)
	in.t.Cleanup(rest.Close)
	return map[string]marketo.Client{"soap": soap, "rest": rest}
}

// randomBatch draws a batch of distinct keys and awkward values.
func randomBatch(random *rand.Rand) *marketo.Batch {
	texts := []string{"", "x", " pad ", "a\r\nb\tc", `<&>"'\`, "]]>", "Köln 漢字 😀", "\u2028", "null", "0"}
	shape := &marketo.Shape{Type: "Visit_c", Key: []string{"name", "rid"}, Attributes: []string{"city", "visits", "vip"}}
	batch := &marketo.Batch{Type: shape.Type, Operation: marketo.Operation(random.IntN(4))}
	for _, id := range random.Perm(6)[:1+random.IntN(6)] {
		values := []marketo.Value{
			{Kind: marketo.String, Text: []string{"a|b", `c\`, "d<&>"}[id%3]},
			{Kind: marketo.Number, Text: fmt.Sprint(id)},
			{Kind: marketo.String, Text: texts[random.IntN(len(texts))]},
			{Kind: marketo.Number, Text: fmt.Sprint(random.IntN(3) - 1)},
			{Kind: marketo.Boolean, Text: fmt.Sprint(random.IntN(2) == 0)},
		}
		for place := 2; place < len(values); place++ {
			switch random.IntN(5) {
			case 0:
				values[place] = marketo.Value{Kind: marketo.Omitted}
			case 1:
				values[place] = marketo.Value{Kind: marketo.Null}
			}
		}
		if batch.Operation == marketo.Delete {
			values = append(values[:2:2], make([]marketo.Value, 3)...)
		}
		batch.Objects = append(batch.Objects, marketo.NewObject(shape, values))
	}
	return batch
}

// The same batches over either API end in the same state, confirmed object by
// object and without a violation.
func TestOwnClients(t *testing.T) {
	const seed = 7
	types := []simulator.Type{{
		Name: "Visit_c", Dedupe: []string{"name", "rid"},
		Fields: []simulator.Field{
			{Name: "name", Type: simulator.String}, {Name: "rid", Type: simulator.Integer},
			{Name: "city", Type: simulator.String}, {Name: "visits", Type: simulator.Integer}, {Name: "vip", Type: simulator.Boolean},
		},
	}}
	states := map[string]map[string]map[string]string{}
	for _, api := range []string{"soap", "rest"} {
		in := start(t, simulator.Options{Types: types})
		client := in.clients()[api]
		if err := client.Login(t.Context()); err != nil {
			t.Fatalf("%s: Login() = %v", api, err)
		}
		random := rand.New(rand.NewPCG(seed, 0))
		for i := range 200 {
			batch := randomBatch(random)
			reply := client.Sync(t.Context(), batch)
			if reply.Fault != nil {
				t.Fatalf("%s, seed %d, batch %d: %v", api, seed, i, reply.Fault)
			}
			for j, result := range reply.Results {
				if result.Outcome != marketo.Confirmed {
					t.Errorf("%s, seed %d, batch %d, object %d: %+v", api, seed, i, j, result)
				}
			}
		}
		if stats := in.Stats(); len(stats.Violations)+len(stats.Faults) != 0 {
			t.Errorf("%s: violations %v, faults %v", api, stats.Violations, stats.Faults)
		}
		states[api] = in.Objects("Visit_c")
	}
	if !reflect.DeepEqual(states["soap"], states["rest"]) || len(states["soap"]) == 0 {
		t.Errorf("SOAP %v\nREST %v", states["soap"], states["rest"])
	}
}

// A full call of either client passes.
func TestOwnClientsFullCall(t *testing.T) {
	for api, size := range map[string]int{"soap": 100, "rest": 300} {
		in := start(t, simulator.Options{Types: roadShow, RecordKeys: true})
		shape := &marketo.Shape{Type: "RoadShow", Key: []string{"rid"}}
		batch := &marketo.Batch{Type: "RoadShow"}
		for i := range size {
			batch.Objects = append(batch.Objects, marketo.NewObject(shape, []marketo.Value{{Kind: marketo.Number, Text: fmt.Sprint(i)}}))
		}
		if reply := in.clients()[api].Sync(t.Context(), batch); reply.Fault != nil {
			t.Errorf("%s: %v", api, reply.Fault)
		}
		if stats := in.Stats(); stats.LargestCall != size || in.Count("RoadShow") != size {
			t.Errorf("%s: %+v", api, stats)
		}
	}
}

// Objects are read back over either API as they were written, those of keys with
// commas too; a key without an object brings nothing.
func TestOwnClientsQuery(t *testing.T) {
	in := start(t, simulator.Options{Types: []simulator.Type{{
		Name: "Visit_c", Dedupe: []string{"name"},
		Fields: []simulator.Field{{Name: "name", Type: simulator.String}, {Name: "city", Type: simulator.String}, {Name: "visits", Type: simulator.Integer}},
	}, {
		Name: "Stop_c", Dedupe: []string{"name", "rid"},
		Fields: []simulator.Field{{Name: "name", Type: simulator.String}, {Name: "rid", Type: simulator.Integer}, {Name: "city", Type: simulator.String}, {Name: "visits", Type: simulator.Integer}},
	}}})
	type querier interface {
		MostKeys() int
		Query(ctx context.Context, q marketo.Query) ([]marketo.Stored, error)
	}
	text := func(s string) marketo.Value { return marketo.Value{Kind: marketo.String, Text: s} }
	number := func(s string) marketo.Value { return marketo.Value{Kind: marketo.Number, Text: s} }
	for api, client := range in.clients() {
		for _, key := range [][]string{{"name"}, {"name", "rid"}} {
			name := map[int]string{1: "Visit_c", 2: "Stop_c"}[len(key)]
			shape := &marketo.Shape{Type: name, Key: key, Attributes: []string{"city", "visits"}}
			batch := &marketo.Batch{Type: name}
			q := marketo.Query{Type: name, Key: key, Fields: shape.Attributes}
			for _, own := range []string{"a", "b,c", "d&<é"} {
				own := []marketo.Value{text(own), number("7")}[:len(key)]
				batch.Objects = append(batch.Objects, marketo.NewObject(shape, append(slices.Clone(own), text("Köln & x"), number("3"))))
				q.Keys = append(q.Keys, own)
			}
			batch.Objects = append(batch.Objects, marketo.NewObject(shape, append([]marketo.Value{text("null"), number("8")}[:len(key)], marketo.Value{Kind: marketo.Null}, number("4"))))
			q.Keys = append(q.Keys, []marketo.Value{text("null"), number("8")}[:len(key)], []marketo.Value{text("none"), number("9")}[:len(key)])
			if reply := client.Sync(t.Context(), batch); reply.Fault != nil {
				t.Fatal(reply.Fault)
			}
			asks := client.(querier)
			var found []marketo.Stored
			for keys := range slices.Chunk(q.Keys, asks.MostKeys()) {
				one := q
				one.Keys = keys
				some, err := asks.Query(t.Context(), one)
				if err != nil {
					t.Fatalf("%s %s: %v", api, name, err)
				}
				found = append(found, some...)
			}
			if len(found) != 4 {
				t.Fatalf("%s %s: %d objects, want 4: %+v", api, name, len(found), found)
			}
			for i, s := range found {
				city, visits := "Köln & x", "3"
				if i == 3 {
					city, visits = "", "4"
				}
				if s.Values[0].Text != q.Keys[i][0].Text || s.Values[len(key)].Text != city || s.Values[len(key)+1].Text != visits || (city == "") != (s.Values[len(key)].Kind == marketo.Null) {
					t.Errorf("%s %s: object %d is %+v", api, name, i, s)
				}
				if api == "rest" && (s.GUID == "" || s.Updated == "") {
					t.Errorf("%s: no GUID or time: %+v", api, s)
				}
			}
		}
		if api == "rest" {
			if _, err := client.(querier).Query(t.Context(), marketo.Query{Type: "Nobody_c", Key: []string{"name"}, Keys: [][]marketo.Value{{text("a")}}}); err == nil {
				t.Error("an unknown type is no error")
			}
		}
	}
	if v := in.Stats().Violations; len(v) > 0 {
		t.Errorf("violations: %v", v)
	}
}
