// What the product calls itself.

package enum Martlet {
  package static let version = "0.1.0"
}
