module github.com/fuwu-project/fuwu/shuai

go 1.26.0
