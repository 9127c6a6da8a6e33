module github.com/fuwu-project/fuwu/bench

go 1.26.0
