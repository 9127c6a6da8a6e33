package shuaisql

import "database/sql/driver"

// Weave is what "shuai build" puts where [sql.DB] gets its connector: a connector with the zero Config, of a data source name, "" if that is not
// known. A connector of [NewConnector] is returned as it is.
func Weave(c driver.Connector, dataSourceName string) driver.Connector {
	if _, ok := c.(*connector); ok {
		return c
	}
	cfg := Config{System: systemOf(driverOf(c))}
	cfg.describe(dataSourceName)
	t := newTracing(cfg)
	t.woven = true
	return &connector{c, t}
}

// driverOf is the driver, or nil if the connector cannot say: nobody asks but [sql.DB.Driver], and some panic.
func driverOf(c driver.Connector) (d driver.Driver) {
	defer func() {
		if recover() != nil {
			d = nil
		}
	}()
	return c.Driver()
}

// Unweave returns the connection that [sql.Conn.Raw] passes on: the driver's own in place of one of [Weave], of which the program does not know.
func Unweave(c any) any {
	switch woven := c.(type) {
	case *conn:
		if woven.woven {
			return woven.Unwrap()
		}
	case directConn:
		if woven.woven {
			return woven.Unwrap()
		}
	}
	return c
}
