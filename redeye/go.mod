module github.com/fuwu-project/fuwu/redeye

go 1.26.0
