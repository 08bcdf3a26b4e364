package audit

import "context"

func (l *look) byExtract(ctx context.Context) error { return l.byQuery(ctx) }
