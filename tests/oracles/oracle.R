# Random cases with the answers of R's HoltWinters and, where the package is installed, of
# surveillance's earsC; one JSON object a line. `cargo xtask oracles` runs it: oracle.R SEED CASES.

arguments <- as.integer(commandArgs(trailingOnly = TRUE))
set.seed(arguments[1])
cases <- arguments[2]

# As text, because serde_json reads numbers to the last bit but one.
numbers <- function(x) paste0('"', sprintf("%.17g", as.numeric(x)), '"', collapse = ",")

case <- function(method, input, expected, tolerance, floor) {
  cat('{"method":"', method, '","input":[', numbers(input), '],"expected":[', numbers(expected),
      '],"tolerance":', tolerance, ',"floor":', floor, '}\n', sep = "")
}

# Start values are R's own, of the first two periods.
for (i in seq_len(cases)) {
  period <- sample(2:12, 1)
  n <- period * sample(3:6, 1)
  y <- 100 + rnorm(1) * seq_len(n) + 30 * sin(2 * pi * seq_len(n) / period) + rnorm(n, 0, 10)
  gains <- runif(3)
  h <- HoltWinters(ts(y, frequency = period), alpha = gains[1], beta = gains[2], gamma = gains[3],
                   seasonal = "additive")
  case("Holt-Winters (R)", c(gains, period, y),
       c(h$fitted[, "xhat"], predict(h, period)), 1e-10, 100)
}

if (requireNamespace("surveillance", quietly = TRUE)) {
  suppressMessages(library(surveillance))
  for (i in seq_len(cases)) {
    y <- rpois(sample(14:50, 1), exp(runif(1, log(3), log(1e4))))
    s <- sts(observed = matrix(y, ncol = 1), start = c(2020, 1), frequency = 365)
    bound <- function(method) {
      as.numeric(upperbound(earsC(s, control = list(method = method, minSigma = 0.5))))
    }
    case("EARS C1, C2 bounds (surveillance)", y, c(bound("C1"), bound("C2")), 1e-12, 1)
  }
} else {
  cat("surveillance is not installed: no earsC\n", file = stderr())
}
