// swift-tools-version: 6.2
import PackageDescription

/// Every target of ours: Swift 6 language mode, explicit import access, no warnings.
let swift: [SwiftSetting] = [
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("ExistentialAny"),
  .treatAllWarnings(as: .error),
]

let package = Package(
  name: "martlet",
  products: [.executable(name: "martlet", targets: ["martlet"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
  ],
  targets: [
    // System libraries and C.
    .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CStemmer", providers: [.apt(["libstemmer-dev"])]),
    .systemLibrary(name: "COnig", pkgConfig: "oniguruma", providers: [.apt(["libonig-dev"])]),
    .systemLibrary(name: "CXML2", pkgConfig: "libxml-2.0", providers: [.apt(["libxml2-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .target(name: "CLinux"),
    .target(name: "CKernels", cSettings: [.define("NDEBUG", .when(configuration: .release))]),

    // Leaves.
    .target(
      name: "JSON",
      dependencies: [.product(name: "OrderedCollections", package: "swift-collections")],
      swiftSettings: swift),
    .target(name: "Archives", dependencies: ["CZlib"], swiftSettings: swift),
    .target(name: "Compute", dependencies: ["CKernels", "CLinux"], swiftSettings: swift),

    // The network.
    .target(name: "Transport", dependencies: ["CLinux", "COpenSSL"], swiftSettings: swift),
    .target(
      name: "HTTP",
      dependencies: [
        "Transport",
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: swift),

    // Models from elsewhere.
    .target(
      name: "Hub",
      dependencies: [
        "CLinux", "COpenSSL", "HTTP", "JSON", "Transport",
        .product(name: "HTTPTypes", package: "swift-http-types"),
      ],
      swiftSettings: swift),

    // Text.
    .target(
      name: "Jinja",
      dependencies: ["JSON", .product(name: "OrderedCollections", package: "swift-collections")],
      swiftSettings: swift),
    .target(name: "Tokenizers", dependencies: ["COnig", "Jinja", "JSON"], swiftSettings: swift),

    // Models.
    .target(
      name: "Quantization", dependencies: ["CKernels", "Compute"], swiftSettings: swift),
    .target(
      name: "Checkpoints",
      dependencies: ["Archives", "CKernels", "COpenSSL", "Compute", "JSON", "Quantization"],
      swiftSettings: swift),
    .target(
      name: "ModelFamilies", dependencies: ["Checkpoints", "JSON"], swiftSettings: swift),
    .target(
      name: "Transformer",
      dependencies: [
        "CKernels", "CLinux", "COnig", "Checkpoints", "Compute", "JSON", "ModelFamilies",
        "Quantization",
      ],
      swiftSettings: swift),
    .target(
      name: "Inference",
      dependencies: [
        "CKernels", "Checkpoints", "Compute", "JSON", "Tokenizers", "Transformer",
      ],
      swiftSettings: swift),

    // Documents.
    .target(
      name: "SearchIndex", dependencies: ["CKernels", "CStemmer", "Compute", "Tokenizers"],
      swiftSettings: swift),
    .target(
      name: "Documents",
      dependencies: [
        "Archives", "CLinux", "COpenSSL", "CXML2", "JSON", "SearchIndex",
        .product(name: "GRDB", package: "GRDB.swift"),
      ],
      swiftSettings: swift),
    .target(
      name: "Retrieval",
      dependencies: [
        "Compute", "Documents", "JSON", "SearchIndex",
        .product(name: "GRDB", package: "GRDB.swift"),
      ],
      swiftSettings: swift),

    .target(name: "Evaluation", dependencies: ["JSON", "SearchIndex"], swiftSettings: swift),

    // The house.
    .target(
      name: "Server",
      dependencies: [
        "COpenSSL", "Checkpoints", "Compute", "Documents", "Evaluation", "HTTP", "Hub",
        "Inference", "JSON", "Jinja", "Quantization", "Retrieval", "SearchIndex", "Tokenizers",
        "Transformer",
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "Yams", package: "Yams"),
      ],
      swiftSettings: swift),
    .executableTarget(
      name: "martlet",
      dependencies: [
        "Checkpoints", "Compute", "Documents", "Evaluation", "HTTP", "Hub", "Inference", "JSON",
        "ModelFamilies", "Quantization", "Retrieval", "SearchIndex", "Server", "Tokenizers",
        "Transformer",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
      ],
      swiftSettings: swift),

    // Tests.
    .target(name: "Fuzzing", path: "Tests/Fuzzing", swiftSettings: swift),
    .target(
      name: "TestTLS", dependencies: ["COpenSSL"], path: "Tests/TestTLS", swiftSettings: swift),
    .testTarget(name: "JSONTests", dependencies: ["Fuzzing", "JSON"], swiftSettings: swift),
    .testTarget(name: "ComputeTests", dependencies: ["Compute"], swiftSettings: swift),
    .testTarget(
      name: "TransportTests", dependencies: ["CLinux", "COpenSSL", "TestTLS", "Transport"],
      swiftSettings: swift),
    .testTarget(
      name: "HTTPTests",
      dependencies: [
        "CLinux", "Fuzzing", "HTTP", "TestTLS", "Transport",
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: swift),
    .testTarget(
      name: "HubTests",
      dependencies: ["CLinux", "COpenSSL", "Hub", "JSON", "TestTLS", "Transport"],
      swiftSettings: swift),
    .testTarget(
      name: "JinjaTests", dependencies: ["Fuzzing", "JSON", "Jinja"], swiftSettings: swift),
    .testTarget(
      name: "TokenizersTests", dependencies: ["JSON", "Tokenizers"], swiftSettings: swift),
    .testTarget(
      name: "QuantizationTests", dependencies: ["CKernels", "Compute", "JSON", "Quantization"],
      swiftSettings: swift),
    .testTarget(
      name: "TransformerTests",
      dependencies: [
        "CKernels", "Checkpoints", "Compute", "Fuzzing", "JSON", "ModelFamilies", "Quantization",
        "Transformer",
      ],
      swiftSettings: swift),
    .testTarget(
      name: "InferenceTests",
      dependencies: [
        "CKernels", "Checkpoints", "Compute", "Inference", "JSON", "Quantization", "Tokenizers",
        "Transformer",
      ],
      swiftSettings: swift),
    .testTarget(
      name: "SearchIndexTests", dependencies: ["CKernels", "Compute", "Fuzzing", "SearchIndex"],
      swiftSettings: swift),
    .testTarget(
      name: "EvaluationTests", dependencies: ["Documents", "Evaluation", "JSON"],
      swiftSettings: swift),
    .testTarget(
      name: "DocumentsTests", dependencies: ["Archives", "Documents", "Fuzzing", "JSON"],
      swiftSettings: swift),
    .testTarget(
      name: "RetrievalTests",
      dependencies: [
        "Compute", "Documents", "Fuzzing", "JSON", "Retrieval", "SearchIndex",
        .product(name: "GRDB", package: "GRDB.swift"),
        .product(name: "GRDBSQLite", package: "GRDB.swift"),
      ],
      swiftSettings: swift),
    .testTarget(
      name: "ServerTests",
      dependencies: [
        "Checkpoints", "HTTP", "Hub", "Inference", "JSON", "Retrieval", "Server", "Tokenizers",
        "Transformer",
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "Yams", package: "Yams"),
      ],
      swiftSettings: swift),
    .testTarget(
      name: "CommandLineTests",
      dependencies: [
        "Documents", "JSON", "martlet", .product(name: "HTTPTypes", package: "swift-http-types"),
      ],
      swiftSettings: swift),
  ],
  swiftLanguageModes: [.v6]
)
