package salesforce

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// MinBandwidth is the least bandwidth that can be asked for: below, an answer that is read whole would
// not arrive in the time that it has.
const MinBandwidth = 128 << 10

// flow spreads what is received over time: no more than rate bytes in a second.
type flow struct {
	rate int64
	pace pace

	mu   sync.Mutex
	free time.Time // when what was received so far is paid for
}

// receive waits until n bytes more may have been received.
func (f *flow) receive(n int) error {
	f.mu.Lock()
	now := f.pace.now()
	if f.free.Before(now) {
		f.free = now
	}
	f.free = f.free.Add(time.Duration(float64(n) / float64(f.rate) * float64(time.Second)))
	wait := f.free.Sub(now)
	f.mu.Unlock()
	return f.pace.sleep(context.Background(), wait) // at most a second for each connection: see Read
}

// slowConn is a connection that receives no faster than its flow.
type slowConn struct {
	net.Conn
	flow *flow
}

// slowRead is the share of a second's bytes that one read may take.
const slowRead = 10

// Read receives, and then waits for what it received.
func (c slowConn) Read(p []byte) (int, error) {
	if most := int(c.flow.rate / slowRead); len(p) > most {
		p = p[:most]
	}
	n, err := c.Conn.Read(p)
	if n > 0 {
		if slept := c.flow.receive(n); err == nil {
			err = slept
		}
	}
	return n, err
}

// slowed returns the client with connections that together receive no faster than the flow. A client
// whose transport is not that of net/http is returned as it is.
func slowed(client *http.Client, f *flow) *http.Client {
	transport, ok := client.Transport.(*http.Transport)
	if !ok {
		return client
	}
	dial := transport.DialContext
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	transport = transport.Clone()
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return slowConn{conn, f}, nil
	}
	slow := *client
	slow.Transport = transport
	return &slow
}
