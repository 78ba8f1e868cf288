// Reads a picture with Go:
//
//	export ZIYAN_URL=http://127.0.0.1:8000 ZIYAN_APPCODE=…
//	go run sample.go picture.jpg
package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

func main() {
	text, err := read(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(text)
}

func read(path string) (string, error) {
	picture, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	// Encode escapes the +, / and = of base64.
	form := url.Values{"img": {base64.StdEncoding.EncodeToString(picture)}}.Encode()
	request, err := http.NewRequest("POST", os.Getenv("ZIYAN_URL")+"/ocr", strings.NewReader(form))
	if err != nil {
		return "", err
	}
	request.Header.Set("Authorization", "APPCODE "+os.Getenv("ZIYAN_APPCODE"))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")

	client := &http.Client{Timeout: time.Minute}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()

	// 666: the request itself is at fault, and the body says why. Everything else is told in a header.
	if response.StatusCode != 200 && response.StatusCode != 666 {
		return "", fmt.Errorf("%d: %s", response.StatusCode, response.Header.Get("X-Ca-Error-Message"))
	}
	var answer struct {
		Msg  string `json:"msg"`
		Data string `json:"data"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return "", err
	}
	if response.StatusCode == 666 {
		return "", fmt.Errorf("666: %s", answer.Msg)
	}
	return answer.Data, nil
}
