// Retry-controller decides what becomes of each failed workload, from its FailureReport: docs/for-controllers.md.
//
// It talks to the API server through `kubectl proxy`, and prints its decisions.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"coroner.dev/examples/retry-controller/failurereport"
)

const path = "/apis/coroner.dev/v1alpha1/failurereports"

// errExpired: the API server has forgotten the resource version; only a new list helps.
var errExpired = errors.New("resource version expired")

type controller struct {
	server string
	// decided has the UIDs of the pods that were decided on, by the UID of the report.
	decided map[string]map[string]bool
}

type event struct {
	Type   string
	Object json.RawMessage
}

func main() {
	server := flag.String("server", "http://127.0.0.1:8001", "URL of the API server, as kubectl proxy serves it")
	flag.Parse()
	c := controller{server: *server, decided: map[string]map[string]bool{}}
	for {
		version, err := c.list()
		for err == nil {
			version, err = c.watch(version)
		}
		if !errors.Is(err, errExpired) {
			fmt.Fprintln(os.Stderr, err)
			time.Sleep(time.Second)
		}
	}
}

// list acts on every report there is, and returns the resource version at which a watch begins.
func (c *controller) list() (string, error) {
	query := url.Values{"limit": {"100"}}
	for {
		body, err := c.get(query)
		if err != nil {
			return "", err
		}
		var page failurereport.FailureReportList
		err = json.NewDecoder(body).Decode(&page)
		body.Close()
		if err != nil {
			return "", err
		}
		for _, report := range page.Items {
			c.act(report)
		}
		if page.Metadata.Continue == "" {
			return page.Metadata.ResourceVersion, nil
		}
		query.Set("continue", page.Metadata.Continue)
	}
}

// watch acts on every change after a resource version, until the server ends the watch; then it returns the last one.
func (c *controller) watch(version string) (string, error) {
	body, err := c.get(url.Values{"watch": {"1"}, "resourceVersion": {version}, "allowWatchBookmarks": {"true"}})
	if err != nil {
		return "", err
	}
	defer body.Close()
	events := json.NewDecoder(body)
	for {
		var change event
		switch err := events.Decode(&change); {
		case errors.Is(err, io.EOF):
			return version, nil
		case err != nil:
			return "", err
		case change.Type == "ERROR":
			return "", errExpired
		}
		var report failurereport.FailureReport
		if err := json.Unmarshal(change.Object, &report); err != nil {
			return "", err
		}
		version = report.Metadata.ResourceVersion
		switch change.Type {
		case "ADDED", "MODIFIED":
			c.act(report)
		case "DELETED":
			delete(c.decided, report.Metadata.UID)
		}
	}
}

func (c *controller) get(query url.Values) (io.ReadCloser, error) {
	response, err := http.Get(c.server + path + "?" + query.Encode())
	if err != nil {
		return nil, err
	}
	if response.StatusCode == http.StatusGone {
		response.Body.Close()
		return nil, errExpired
	}
	if response.StatusCode != http.StatusOK {
		response.Body.Close()
		return nil, fmt.Errorf("GET %s: %s", path, response.Status)
	}
	return response.Body, nil
}

// act decides once on each pod, however often its report is delivered.
func (c *controller) act(report failurereport.FailureReport) {
	status, uid := report.Status, report.Metadata.UID
	if status == nil || status.ObservedPod == nil {
		return
	}
	pod, decision := status.ObservedPod.UID, decide(*status)
	if decision == "" || c.decided[uid][pod] {
		return
	}
	if c.decided[uid] == nil {
		c.decided[uid] = map[string]bool{}
	}
	c.decided[uid][pod] = true
	fmt.Printf("%s/%s: %s (%s)\n", report.Metadata.Namespace, report.Spec.Workload.Display, decision, status.Failure)
}

// decide says what becomes of a workload that fails; "": the verdict may still change, or there is nothing to do.
func decide(status failurereport.Status) string {
	if !status.Final || status.State != failurereport.StateFailing && status.State != failurereport.StateFailed {
		return ""
	}
	isKnown := status.Confidence != failurereport.ConfidenceUnknown
	switch {
	case isKnown && status.Retry == failurereport.RetryNeedsChange:
		return "stop"
	case status.State == failurereport.StateFailing: // its own controller may retry it
		return ""
	case isKnown && status.Retry == failurereport.RetryMayRecover:
		return "retry"
	}
	return "ask"
}
