module example.com/program

go 1.26.0

require github.com/fuwu-project/fuwu/redeye v0.0.0

replace github.com/fuwu-project/fuwu/redeye => ../..
