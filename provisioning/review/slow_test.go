package review_test

import (
	"context"
	"net/http"

	"github.com/usher-go/usher/provisioning"
)

// A slowStore does not answer about plans until it may.
type slowStore struct {
	*provisioning.Memory
	wait chan struct{}
}

func (s *slowStore) Plan(ctx context.Context, tenant, hash string) (*provisioning.Plan, error) {
	<-s.wait
	return s.Memory.Plan(ctx, tenant, hash)
}

// notifying tells of the first write.
type notifying struct {
	header http.Header
	began  chan string
}

func (n *notifying) Header() http.Header { return n.header }
func (n *notifying) WriteHeader(int)     {}
func (n *notifying) Write(b []byte) (int, error) {
	select {
	case n.began <- string(b):
	default:
	}
	return len(b), nil
}
