package fake

import (
	"testing"

	"github.com/usher-go/usher/internal/rapidtest"
)

func TestMain(m *testing.M) { rapidtest.Main(m, 0) }
