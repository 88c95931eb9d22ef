// Expressions of the language as the parser leaves them. Depth is kept in every node, so that the
// parser can refuse trees that recursion (of the interpreter or of deinit) could not walk.

struct Expression: Sendable {
  static let maximumDepth = 100

  indirect enum Node: Sendable {
    case literal(Literal)
    case name(String)
    case list([Expression])
    case tuple([Expression])
    case dictionary([Pair])
    case attribute(Expression, String)
    case item(Expression, Expression)
    case slice(Expression, SliceBounds)
    case call(Expression, Arguments)
    case filter(Expression, FilterCall)
    case test(Expression, String, Arguments)
    case not(Expression)
    case negate(Expression)
    case plus(Expression)
    case binary(BinaryOperator, Expression, Expression)
    case concatenation([Expression])
    case and(Expression, Expression)
    case or(Expression, Expression)
    case comparison(Expression, [Comparison])
    case conditional(test: Expression, then: Expression, else: Expression?)
  }

  enum Literal: Sendable {
    case none
    case bool(Bool)
    case integer(Int)
    case float(Double)
    case string(String)
  }

  struct Pair: Sendable { let key, value: Expression }

  struct SliceBounds: Sendable { let start, stop, step: Expression? }

  struct Comparison: Sendable {
    let comparator: Comparator
    let operand: Expression
  }

  let node: Node
  let line: Int
  let depth: Int
}

enum BinaryOperator: String, Sendable {
  case add = "+"
  case subtract = "-"
  case multiply = "*"
  case divide = "/"
  case floorDivide = "//"
  case modulo = "%"
  case power = "**"
}

enum Comparator: String, Sendable {
  case equal = "=="
  case notEqual = "!="
  case less = "<"
  case lessEqual = "<="
  case greater = ">"
  case greaterEqual = ">="
  case contained = "in"
  case notContained = "not in"
}

/// Arguments of a call, filter or test: `f(1, x=2, *list, **dictionary)`.
struct Arguments: Sendable {
  struct Named: Sendable {
    let name: String
    let value: Expression
  }

  var positional: [Expression] = []
  var named: [Named] = []
  var unpackedList: Expression?
  var unpackedDictionary: Expression?

  var all: [Expression] {
    positional + named.map(\.value) + [unpackedList, unpackedDictionary].compactMap { $0 }
  }
}

struct FilterCall: Sendable {
  let name: String
  let arguments: Arguments
  let line: Int
}
