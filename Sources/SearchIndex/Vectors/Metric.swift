/// What "similar" means. Higher is better in each: Euclidean distance counts negative.
package enum Metric: String, Sendable, CaseIterable {
  case cosine, dot, euclidean
}
