package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
)

// poster posts full batches, a number of them at once, and drains the replies
// without looking at them.
type poster struct {
	soap  bool
	most  int
	sink  string
	row   func([]byte, *bareRelation, []byte) ([]byte, error)
	posts chan post
	free  chan []byte
	done  sync.WaitGroup

	mu  sync.Mutex
	err error
}

type post struct {
	url  string
	body []byte
}

func newPoster(api, sink string, concurrency int) *poster {
	p := &poster{
		soap: api == "soap", most: capacityOf(api), sink: sink, row: appendJSONRow,
		posts: make(chan post), free: make(chan []byte, 2*concurrency),
	}
	if p.soap {
		p.row = appendXMLRow
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: concurrency, WriteBufferSize: 64 << 10, ReadBufferSize: 64 << 10}}
	for range concurrency {
		p.done.Go(func() {
			for job := range p.posts {
				p.note(p.post(client, job))
				p.reuse(job.body)
			}
			client.CloseIdleConnections()
		})
	}
	return p
}

// add appends a row to the batch of its table, and posts it when full.
func (p *poster) add(r *bareRelation, tuple []byte) error {
	var err error
	if r.body, err = p.row(r.body, r, tuple); err != nil {
		return err
	}
	if r.objects++; r.objects == p.most {
		p.send(r)
	}
	return nil
}

func (p *poster) send(r *bareRelation) {
	if r.objects == 0 {
		return
	}
	job := post{url: p.sink + "/rest/v1/customobjects/" + url.PathEscape(r.object) + ".json"}
	if p.soap {
		job = post{url: p.sink + "/soap/mktows/2_3", body: append(r.body, soapClose...)}
	} else {
		job.body = append(r.body, restClose...)
	}
	p.posts <- job
	r.objects = 0
	select {
	case r.body = <-p.free:
	default:
		r.body = make([]byte, 0, 64<<10)
	}
}

func (p *poster) reuse(body []byte) {
	select {
	case p.free <- body[:0]:
	default:
	}
}

func (p *poster) post(client *http.Client, job post) error {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, job.url, bytes.NewReader(job.body))
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("post: %s", resp.Status)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// note keeps the first error.
func (p *poster) note(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
}

// finish waits for all posts.
func (p *poster) finish() error {
	close(p.posts)
	p.done.Wait()
	return p.err
}
