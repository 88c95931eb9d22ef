import Foundation
import Testing

@testable import Server

struct ConfigurationTests {
  private func load(
    flags: [String: String] = [:], environment: [String: String] = [:], file: String? = nil
  ) throws -> ServerConfiguration {
    try ServerConfiguration.load(
      flags: flags, environment: environment, file: file.map { ("martlet.yaml", $0) })
  }

  @Test func flagsBeatEnvironmentBeatsFileBeatsDefault() throws {
    let file = "port: 1\nmax_sequences: 2\ndata: /from/file\n"
    let environment = ["MARTLET_PORT": "3", "MARTLET_MAX_SEQUENCES": "4"]
    let configuration = try load(flags: ["port": "5"], environment: environment, file: file)
    #expect(configuration.port == 5)
    #expect(configuration.maxSequences == 4)
    #expect(configuration.data == "/from/file")
    #expect(configuration.host == "127.0.0.1")
  }

  @Test func emptyValuesLeaveDefaults() throws {
    let configuration = try load(file: "model: ~\nthreads:\nquantize: null\n")
    #expect(configuration == ServerConfiguration())
    #expect(try load(file: "") == ServerConfiguration())
    #expect(try load(file: "# only a comment\n") == ServerConfiguration())
  }

  @Test func unknownKeyNamesItsLineAndTheKeyThatWasMeant() {
    #expect(
      throws: ConfigurationError.unknownKey(
        place: "martlet.yaml:2", key: "max_sequence", suggestion: "max_sequences")
    ) { try load(file: "port: 1\nmax_sequence: 2\n") }
    #expect(
      throws: ConfigurationError.unknownKey(
        place: "martlet.yaml:1", key: "colour", suggestion: nil)
    ) { try load(file: "colour: red\n") }
  }

  @Test func variablesThatAreNoSettingsAreNoticed() {
    let found = ServerConfiguration.misspelt(in: [
      "MARTLET_THREDS": "2", "MARTLET_THREADS": "2", "MARTLET_ISA": "avx2", "THREDS": "2",
      "MARTLET_SERVICE_PORT_HTTP": "8080",
    ])
    #expect(found.map(\.name) == ["MARTLET_THREDS"] && found.map(\.meant) == ["MARTLET_THREADS"])
  }

  @Test(arguments: [
    ("port", "70000"), ("port", "http"), ("threads", "0"), ("quantize", "int3"),
    ("allow_unauthenticated", "perhaps"), ("log_level", "loud"), ("host", ""),
    ("max_body", "-1"), ("speculation", "perhaps"), ("context", "9999999999999999999999"),
  ])
  func wrongValuesAreRefusedByName(key: String, value: String) {
    #expect {
      try load(flags: [key: value])
    } throws: { error in
      guard case .invalid(let place, key, value, _) = error as? ConfigurationError else {
        return false
      }
      return place.hasPrefix("--")
    }
  }

  @Test(arguments: ["- a\n- b\n", "port: [1, 2]\n", "port: 1: 2\n", "\"", "just text"])
  func malformedFilesAreRefused(text: String) {
    #expect(throws: ConfigurationError.self) { try load(file: text) }
  }

  /// The file that ships lists every key, with the built-in default.
  @Test func shippedFileHoldsEveryKeyWithItsDefault() throws {
    let text = try String(contentsOf: Repository.file("config/martlet.yaml"), encoding: .utf8)
    #expect(try load(file: text) == ServerConfiguration())
    let keys = text.split(separator: "\n").filter { !$0.hasPrefix("#") }.compactMap {
      $0.split(separator: ":").first.map(String.init)
    }
    #expect(Set(keys) == Set(ServerConfiguration.keys))
  }

  @Test func yamlOfAConfigurationReadsBack() throws {
    var configuration = ServerConfiguration()
    configuration.port = 9
    configuration.quantize = .nf4
    configuration.allowUnauthenticated = true
    configuration.context = 512
    configuration.adapters = ["a=/one", "/two"]
    #expect(try load(file: configuration.yaml) == configuration)
  }

  @Test func severalAdaptersMayBeNamed() throws {
    let expected = ["a=/one", "two"]
    for text in [
      "adapter: a=/one,two\n", "adapter: [a=/one, two]\n", "adapter:\n- a=/one\n- two\n",
    ] {
      #expect(try load(file: text).adapters == expected)
    }
    let fromEnvironment = try load(
      environment: ["MARTLET_ADAPTER": "a=/one,two"], file: "adapter: other\n")
    #expect(fromEnvironment.adapters == expected)
    #expect(throws: ConfigurationError.self) { try load(file: "adapter: [[a]]\n") }
  }

  @Test(arguments: [
    ("127.0.0.1", true), ("127.9.9.9", true), ("localhost", true), ("::1", true),
    ("0.0.0.0", false), ("::", false), ("192.168.1.4", false), ("127.example.org", false),
  ])
  func onlyLoopbackMayDoWithoutKeys(host: String, isAllowed: Bool) throws {
    var configuration = ServerConfiguration()
    configuration.host = host
    if isAllowed {
      #expect(try configuration.readAPIKeys() == nil)
    } else {
      #expect(throws: ConfigurationError.openToTheNetwork(host: host)) {
        try configuration.readAPIKeys()
      }
      configuration.allowUnauthenticated = true
      #expect(try configuration.readAPIKeys() == nil)
    }
  }
}

struct APIKeyTests {
  @Test func acceptsExactlyTheKeysOfTheFile() throws {
    let keys = try APIKeys(parsing: "# staff\nalpha-1\n\n  beta_2  \n", path: "keys")
    #expect(keys.accepts(authorization: "Bearer alpha-1"))
    #expect(keys.accepts(authorization: "bearer beta_2"))
    for wrong in [
      nil, "", "Bearer", "Bearer ", "Bearer alpha", "Basic alpha-1", "Bearer alpha-1x",
      "Bearer # staff", "alpha-1",
    ] {
      #expect(!keys.accepts(authorization: wrong), "\(wrong ?? "nil")")
    }
  }

  @Test(arguments: ["", "\n\n", "# nothing\n", "two words\n", "schlüssel\n"])
  func uselessFilesAreRefused(text: String) {
    #expect(throws: ConfigurationError.self) { try APIKeys(parsing: text, path: "keys") }
  }
}
